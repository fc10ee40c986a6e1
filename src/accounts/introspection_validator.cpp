#include "accounts/introspection_validator.hpp"

#include "base/base64.hpp"
#include "base/text.hpp"
#include "env/network.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace accounts {
namespace {

std::string form_encoded(std::string_view text) {
    constexpr std::string_view plain = "-._~";
    std::string out;
    for (const char c : text)
        if (base::is_alnum(c) || plain.find(c) != std::string_view::npos)
            out += c;
        else
            out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    return out;
}

}  // namespace

std::string introspection_url_problem(std::string_view url) {
    if (url.starts_with("https://") && url.size() > 8) return "";
    constexpr std::string_view clear = "http://";
    if (!url.starts_with(clear)) return "not a URL that begins with https://";
    std::string_view host = url.substr(clear.size());
    host = host.substr(0, host.find_first_of("/?#"));
    if (host.find('@') != std::string_view::npos) return "a URL holds no user name here";
    if (host.starts_with('['))
        host = host.substr(1, host.find(']') - 1);
    else
        host = host.substr(0, host.find(':'));
    const auto address = env::IpAddress::parse(host);
    if (host == "localhost" || (address && address->is_loopback())) return "";
    return "tokens are not sent in clear: use https://, or http:// on a loopback address";
}

env::Task<LoginAnswer> IntrospectionValidator::check(std::string token, std::string user) {
    if (!http_) co_return login_unknown("no web service can be asked here");
    env::HttpRequest request;
    request.method = "POST";
    request.url = settings_.url;
    request.headers = {{"Content-Type", "application/x-www-form-urlencoded"}, {"Accept", "application/json"}};
    if (!settings_.client_id.empty())  // RFC 6749 §2.3.1
        request.headers.emplace_back("Authorization",
                                     "Basic " + base::base64_encode(form_encoded(settings_.client_id) + ":" +
                                                                    form_encoded(settings_.client_secret)));
    request.body = "token=" + form_encoded(token) + "&token_type_hint=access_token";
    request.ca_pem = settings_.ca_pem;
    request.timeout = settings_.timeout;
    constexpr std::uint64_t answer_octets_max = 256 * 1024;
    request.answer_octets_max = answer_octets_max;
    const auto answer = co_await http_->fetch(std::move(request));
    if (!answer) co_return login_unknown("the introspection server cannot be asked: " + answer.error());
    constexpr int http_ok = 200;
    if (answer->status != http_ok)
        co_return login_unknown(
            fmt::format("the introspection server answered with status {}", answer->status));
    const auto claims = nlohmann::json::parse(answer->body, nullptr, false);
    if (!claims.is_object() || !claims.contains("active") || !claims["active"].is_boolean())
        co_return login_unknown("the introspection server's answer is malformed");
    if (!claims["active"].get<bool>()) co_return login_wrong("the token is not active");
    const auto now = std::chrono::duration_cast<std::chrono::seconds>(clock_.wall().time_since_epoch());
    co_return judge_claims(answer->body, rules_, user, now.count());
}

}  // namespace accounts
