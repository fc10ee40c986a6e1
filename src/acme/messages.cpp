#include "acme/messages.hpp"

#include "base/result.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace acme {
namespace {

using nlohmann::json;

std::expected<json, std::string> object(std::string_view text) {
    if (text.size() > MessageLimits::octets_max) return std::unexpected("the answer is too long");
    json out = json::parse(text, nullptr, false);
    if (!out.is_object()) return std::unexpected("the answer is no JSON object");
    return out;
}

std::string text_in(const json& value, const char* name) {
    const auto at = value.find(name);
    return at != value.end() && at->is_string() ? at->get<std::string>() : std::string();
}

std::string url_in(const json& value, const char* name) {
    std::string url = text_in(value, name);
    return is_usable_url(url) ? url : std::string();
}

Problem problem_of(const json& value) {
    if (!value.is_object()) return {};
    constexpr std::string_view prefix = "urn:ietf:params:acme:error:";
    std::string type = text_in(value, "type");
    if (type.starts_with(prefix)) type.erase(0, prefix.size());
    Problem out{base::printable(type, 100),
                base::printable(text_in(value, "detail"), MessageLimits::text_octets_max)};
    // Of many names, each may have its own problem (RFC 8555 §6.7.1).
    const auto parts = value.find("subproblems");
    if (parts == value.end() || !parts->is_array()) return out;
    for (const auto& part : *parts) {
        if (!part.is_object() || out.detail.size() > MessageLimits::text_octets_max) break;
        const auto identifier = part.find("identifier");
        out.detail += fmt::format("; {}: {}",
                                  identifier != part.end() && identifier->is_object()
                                      ? base::printable(text_in(*identifier, "value"), 255)
                                      : "?",
                                  base::printable(text_in(part, "detail"), 300));
    }
    return out;
}

Problem problem_in(const json& value) {
    const auto at = value.find("error");
    return at == value.end() ? Problem{} : problem_of(*at);
}

Status status_of(const json& value) {
    const std::string text = text_in(value, "status");
    constexpr std::pair<std::string_view, Status> names[] = {
        {"pending", Status::Pending}, {"processing", Status::Processing}, {"ready", Status::Ready},
        {"valid", Status::Valid},     {"invalid", Status::Invalid},       {"deactivated", Status::Invalid},
        {"expired", Status::Invalid}, {"revoked", Status::Invalid}};
    for (const auto& [name, status] : names)
        if (text == name) return status;
    return Status::Unknown;
}

}  // namespace

std::string Problem::text() const {
    if (empty()) return "no reason given";
    if (type.empty()) return detail;
    return detail.empty() ? type : fmt::format("{} ({})", detail, type);
}

bool is_usable_url(std::string_view url) {
    return url.size() <= MessageLimits::url_octets_max && url.starts_with("https://") &&
           url.size() > std::string_view("https://").size() &&
           std::ranges::all_of(url, [](char c) { return base::is_print(c) && c != ' '; });
}

bool is_base64url(std::string_view text) {
    return !text.empty() && text.size() <= MessageLimits::token_octets_max &&
           std::ranges::all_of(text, [](char c) { return base::is_alnum(c) || c == '-' || c == '_'; });
}

std::expected<Directory, std::string> parse_directory(std::string_view text) {
    TRY_ASSIGN(const json value, object(text));
    Directory out{url_in(value, "newNonce"), url_in(value, "newAccount"), url_in(value, "newOrder"), "",
                  false};
    if (out.new_nonce.empty() || out.new_account.empty() || out.new_order.empty())
        return std::unexpected("this is no ACME directory: newNonce, newAccount and newOrder are missing");
    const auto meta = value.find("meta");
    if (meta == value.end() || !meta->is_object()) return out;
    out.terms = base::printable(text_in(*meta, "termsOfService"), MessageLimits::url_octets_max);
    const auto external = meta->find("externalAccountRequired");
    out.external_account_required =
        external != meta->end() && external->is_boolean() && external->get<bool>();
    return out;
}

std::expected<Authorization, std::string> parse_authorization(std::string_view text) {
    TRY_ASSIGN(const json value, object(text));
    Authorization out;
    out.status = status_of(value);
    const auto identifier = value.find("identifier");
    if (identifier != value.end() && identifier->is_object())
        out.name = base::printable(base::lower(text_in(*identifier, "value")), 255);
    if (out.name.empty() || out.status == Status::Unknown)
        return std::unexpected("the authorization has no name or no status");
    const auto list = value.find("challenges");
    if (list == value.end() || !list->is_array()) return out;
    for (const auto& one : *list) {
        if (!one.is_object() || out.challenges.size() >= MessageLimits::items_max) break;
        out.challenges.push_back({base::printable(text_in(one, "type"), 100), url_in(one, "url"),
                                  text_in(one, "token"), problem_in(one)});
    }
    return out;
}

std::expected<Order, std::string> parse_order(std::string_view text) {
    TRY_ASSIGN(const json value, object(text));
    Order out;
    out.status = status_of(value);
    out.finalize = url_in(value, "finalize");
    out.certificate = url_in(value, "certificate");
    out.error = problem_in(value);
    if (out.status == Status::Unknown || out.finalize.empty())
        return std::unexpected("the order has no status or no finalize URL");
    const auto list = value.find("authorizations");
    if (list == value.end() || !list->is_array()) return out;
    if (list->size() > MessageLimits::items_max)
        return std::unexpected("the order has too many authorizations");
    for (const auto& one : *list) {
        if (!one.is_string() || !is_usable_url(one.get_ref<const std::string&>()))
            return std::unexpected("the order has an authorization that is no https URL");
        out.authorizations.push_back(one.get<std::string>());
    }
    return out;
}

Problem parse_problem(std::string_view text) {
    const auto value = object(text);
    return value ? problem_of(*value) : Problem{};
}

}  // namespace acme
