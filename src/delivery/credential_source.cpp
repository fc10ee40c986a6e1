#include "delivery/credential_source.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace delivery {
namespace {

constexpr std::uint64_t token_octets_max = 64 * 1024;
constexpr std::string_view file_prefix = "file:", program_prefix = "command:";
// Not used in its last seconds: it would expire on the way.
constexpr std::chrono::seconds margin{10};

}  // namespace

std::optional<BearerToken> parse_token(std::string_view text) {
    text = base::trim(text);
    BearerToken out;
    if (text.starts_with('{')) {
        const auto parsed = nlohmann::json::parse(text, nullptr, false);
        if (!parsed.is_object() || !parsed.contains("access_token") || !parsed["access_token"].is_string())
            return std::nullopt;
        out.text = parsed["access_token"].get<std::string>();
        if (const auto at = parsed.find("expires_in"); at != parsed.end() && at->is_number_unsigned())
            out.lifetime = std::chrono::seconds(std::min<std::uint64_t>(
                at->get<std::uint64_t>(), std::chrono::seconds(std::chrono::years(1)).count()));
    } else {
        out.text = text;
    }
    const bool fits = !out.text.empty() && std::ranges::all_of(out.text, [](char c) {
        return c > ' ' && c < 0x7f;
    });  // RFC 6750 §2.1
    return fits ? std::optional(std::move(out)) : std::nullopt;
}

env::Task<std::expected<std::string, std::string>> CredentialSource::token(std::string source) {
    const auto now = services_.clock.steady();
    if (source.starts_with(file_prefix)) {  // something else keeps it fresh: read each time
        const auto text = services_.files.read(source.substr(file_prefix.size()), token_octets_max);
        if (!text) co_return std::unexpected(std::string(env::to_text(text.error())));
        const auto parsed = parse_token(*text);
        if (!parsed) co_return std::unexpected(std::string("the file holds no token"));
        co_return parsed->text;
    }
    if (const auto kept = tokens_.find(source); kept != tokens_.end() && now < kept->second.until)
        co_return kept->second.text;
    if (!services_.programs) co_return std::unexpected(std::string("programs cannot be run here"));
    std::vector<std::string> argv;
    for (const auto word : base::split_any(std::string_view(source).substr(program_prefix.size()), " \t"))
        argv.emplace_back(word);
    const env::ProgramLimits limits;
    auto text = co_await services_.programs->output(std::move(argv), limits);
    if (!text) co_return std::unexpected(text.error());
    const auto parsed = parse_token(*text);
    if (!parsed) co_return std::unexpected(std::string("the program wrote no token"));
    const auto lifetime = parsed->lifetime.value_or(token_lifetime_);
    tokens_.insert_or_assign(
        source, Token{parsed->text, services_.clock.steady() + std::max(lifetime - margin, margin)});
    co_return parsed->text;
}

env::Task<std::expected<std::optional<CredentialSource::Login>, std::string>> CredentialSource::find(
    std::vector<std::string> keys) {
    for (const auto& key : keys) {
        auto found = co_await maps_.lookup(key);
        if (!found) co_return std::unexpected("smtp_sasl_password_maps: " + found.error().text);
        if (!*found) continue;
        const auto colon = (*found)->find(':');
        Login out;
        out.credentials.user = (*found)->substr(0, colon);
        if (colon != std::string::npos) out.credentials.password = (*found)->substr(colon + 1);
        const std::string& secret = out.credentials.password;
        if (secret.starts_with(file_prefix) || secret.starts_with(program_prefix)) {
            out.token_of = secret;
            auto fresh = co_await token(out.token_of);
            if (!fresh)
                co_return std::unexpected(fmt::format("cannot get the token of {}: {}", key, fresh.error()));
            out.credentials.password = std::move(*fresh);
        }
        co_return std::optional(std::move(out));
    }
    co_return std::optional<Login>{};
}

bool CredentialSource::refused(const Login& login) {
    const auto kept = tokens_.find(login.token_of);
    // Another delivery may have fetched a fresh one meanwhile.
    if (kept != tokens_.end() && kept->second.text == login.credentials.password) tokens_.erase(kept);
    return !login.token_of.empty();
}

}  // namespace delivery
