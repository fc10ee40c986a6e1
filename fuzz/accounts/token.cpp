// Tokens, key sets and claims from a hostile client or a broken file. The first octet chooses what the input
// is.
#include "accounts/json_web_token.hpp"
#include "accounts/password.hpp"
#include "accounts/token_claims.hpp"

#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
    static const auto keys = accounts::KeySet::parse(
        R"({"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})");
    accounts::TokenRules rules;
    rules.audience = "mail";
    switch (data[0]) {
        case 'k':
            static_cast<void>(accounts::KeySet::parse(input));
            break;
        case 't': {
            const auto claims = keys->verified_claims(input);
            if (claims && *claims != "Example of Ed25519 signing")
                std::abort();  // RFC 8037 A.4 is all it has signed
            break;
        }
        case 'c': {
            const auto answer = accounts::judge_claims(input, rules, "", 1'000'000);
            if (answer.kind == accounts::LoginAnswer::Kind::Unknown) std::abort();
            if (answer.kind == accounts::LoginAnswer::Kind::Right && answer.user.empty()) std::abort();
            break;
        }
        default:  // hashes that would take long are found affordable or not; the cheap ones are computed
            if (input.size() < 200 && input.find("$") == std::string_view::npos)
                accounts::password_matches(input, "secret");
    }
    return 0;
}
