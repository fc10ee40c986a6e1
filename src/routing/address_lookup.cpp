#include "routing/address_lookup.hpp"

#include "base/text.hpp"

namespace routing {

std::pair<std::string, std::string> split_extension(const std::string& local_part,
                                                    const std::string& delimiter) {
    if (delimiter.empty() || base::iequals(local_part, "mailer-daemon") ||
        base::iequals(local_part, "double-bounce"))
        return {local_part, ""};
    if (delimiter.find('-') != std::string::npos &&
        (base::istarts_with(local_part, "owner-") || base::iends_with(local_part, "-request")))
        return {local_part, ""};
    const auto at = local_part.find_first_of(delimiter, 1);
    if (at == std::string::npos) return {local_part, ""};
    return {local_part.substr(0, at), local_part.substr(at)};
}

env::Task<std::expected<std::optional<AddressFound>, tables::TableError>> look_up_address(
    const tables::TableList& list, mail::Address address, LookupForms forms) {
    const auto [user, extension] = split_extension(address.local_part, forms.delimiter);
    const std::string at_domain = "@" + base::lower(address.domain);
    struct Form {
        std::string key;
        bool partial;
        bool drops_extension;
    };
    std::vector<Form> tries{{address.local_part + at_domain, false, false}};
    if (!extension.empty()) tries.push_back({user + at_domain, true, true});
    if (forms.local == LookupForms::Local::Yes) {
        if (!extension.empty()) tries.push_back({address.local_part, true, false});
        tries.push_back({user, true, true});
    }
    if (forms.catch_all == LookupForms::CatchAll::Yes && !address.domain.empty())
        tries.push_back({at_domain, true, true});
    for (const auto& form : tries) {
        for (const auto& table : list.tables()) {
            // unix:passwd.byname knows users only: the bare name is its whole key.
            const bool users_only = table->spec().ends_with("unix:passwd.byname");
            if (users_only && form.key != user) continue;
            if (form.partial && table->takes_whole_key_only() && !users_only) continue;
            auto found = co_await table->lookup(form.key);
            if (!found) co_return std::unexpected(found.error());
            if (*found) co_return AddressFound{std::move(**found), form.drops_extension ? extension : ""};
        }
    }
    co_return std::optional<AddressFound>{};
}

}  // namespace routing
