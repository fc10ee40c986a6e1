// Both sides of SASL against a hostile other side.
#include "sasl/client.hpp"
#include "sasl/server.hpp"

#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
    const auto next = [&] {
        const auto end = input.find('\n');
        const auto out = input.substr(0, end);
        input.remove_prefix(end == std::string_view::npos ? input.size() : end + 1);
        return out;
    };
    static const auto verifier =
        sasl::make_verifier(sasl::ScramHash::Sha256, "pencil", "0123456789abcdef", 1);
    const auto names = sasl::server_mechanisms();
    const auto server = sasl::make_server(names[data[0] % names.size()],
                                          {"nonce", "decoy", {{"tls-exporter", "octets"}}, "scope", ""});
    sasl::ServerStep step = server->start(std::string(next()));
    for (int i = 0; i < 6; ++i) {
        if (step.kind == sasl::ServerStep::Kind::Accepted) std::abort();  // nobody knows the password
        if (step.kind == sasl::ServerStep::Kind::LookUp)
            step = server->on_verifier((data[0] & 64) != 0 ? std::optional(verifier) : std::nullopt, {});
        else if (step.kind == sasl::ServerStep::Kind::CheckToken)
            step = server->on_token_refused(sasl::TokenProblem::InvalidToken);
        else if (step.kind == sasl::ServerStep::Kind::Challenge)
            step = server->on_response(next());
        else
            break;
    }
    sasl::MechanismRules rules{true, {}, "nonce", "host", 25, {{"tls-exporter", "octets"}}};
    for (const auto* name : {"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS"}) {
        const auto client = sasl::choose({name}, {"user", "pencil"}, rules);
        client->initial();
        // An iteration count costs time: not here.
        if (input.find("i=") == std::string_view::npos) client->respond(input);
    }
    return 0;
}
