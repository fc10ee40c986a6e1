#include "policy/policy_overrides.hpp"

#include "base/text.hpp"
#include "policy/restriction_table.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace policy {
namespace {

constexpr std::array<std::string_view, 3> reason_types{"local_policy", "trusted_forwarder", "mailing_list"};

std::string_view first_word(std::string_view text) { return text.substr(0, text.find_first_of(" \t")); }

}  // namespace

std::expected<std::optional<PolicyOverride>, std::string> parse_policy_override(std::string_view value) {
    constexpr std::size_t comment_octets_max = 100;
    value = base::trim(value);
    const auto word = first_word(value);
    PolicyOverride out;
    if (base::iequals(word, "published")) return std::nullopt;
    bool known = false;
    for (const auto policy : {dmarc::Policy::None, dmarc::Policy::Quarantine, dmarc::Policy::Reject}) {
        if (!base::iequals(word, dmarc::to_text(policy))) continue;
        out.policy = policy;
        known = true;
    }
    if (!known)
        return std::unexpected(
            fmt::format("dmarc_policy_overrides: '{}' is not none, quarantine, reject or published",
                        base::printable(word, comment_octets_max)));
    auto reason = base::trim(value.substr(word.size()));
    out.type = reason_types.front();
    if (const auto type = first_word(reason); std::ranges::find(reason_types, type) != reason_types.end()) {
        out.type = type;
        reason = base::trim(reason.substr(type.size()));
    }
    out.comment = base::printable(reason, comment_octets_max);
    return out;
}

std::expected<PolicyOverrides, std::string> PolicyOverrides::make(const std::string& text,
                                                                  tables::Factory& factory) {
    auto list = factory.open_list(text);
    if (!list) return std::unexpected("dmarc_policy_overrides: " + list.error().text);
    PolicyOverrides out;
    out.tables_ = std::move(*list);
    return out;
}

env::Task<std::expected<std::optional<PolicyOverride>, std::string>> PolicyOverrides::find(
    Question question) const {
    for (const auto& table : tables_.tables()) {
        tables::Found found{std::optional<std::string>{}};
        if (question.client) found = co_await look_up_network(*table, question.client->text());
        if (found && !*found && !question.client_name.empty() && question.client_name != "unknown")
            found = co_await look_up_domain(*table, question.client_name);
        if (found && !*found) found = co_await look_up_domain(*table, question.author);
        if (!found) co_return std::unexpected(found.error().text);
        if (!*found) continue;
        auto parsed = parse_policy_override(**found);
        co_return parsed;
    }
    co_return std::optional<PolicyOverride>{};
}

}  // namespace policy
