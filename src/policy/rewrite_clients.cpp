#include "policy/rewrite_clients.hpp"

#include "base/result.hpp"
#include "base/text.hpp"

#include <fmt/format.h>

namespace policy {

std::expected<RewriteClients, std::string> RewriteClients::make(const std::vector<std::string>& words,
                                                                Services services) {
    RewriteClients out;
    for (const auto& word : words) {
        if (!base::iequals(word, "permit_sasl_authenticated")) out.only_logged_in_ = false;
        if (base::iequals(word, "permit_sasl_authenticated")) {
            out.logged_in_ = true;
        } else if (base::iequals(word, "permit_tls_clientcerts") ||
                   base::iequals(word, "permit_tls_all_clientcerts")) {
            out.certified_ = true;
        } else if (base::iequals(word, "permit_inet_interfaces")) {
            out.own_hosts_ = true;
            out.addresses_ = services.own_addresses;
        } else if (base::iequals(word, "permit_mynetworks")) {
            TRY_ASSIGN(out.networks_,
                       routing::NetworkList::make(services.my_networks, services.factory, services.files));
        } else if (word.find(':') != std::string::npos) {
            auto table = services.factory.open(word);
            if (!table) return std::unexpected(table.error().text);
            out.tables_.push_back(std::move(*table));
        } else if (!base::iequals(word, "check_address_map")) {  // its table follows
            return std::unexpected(fmt::format("'{}' is not known here", base::printable(word, 60)));
        }
    }
    return out;
}

env::Task<std::expected<bool, std::string>> RewriteClients::contains(Facts facts) const {
    if (logged_in_ && !facts.sasl_username.empty()) co_return true;
    if (certified_ && facts.client_certificate_verified) co_return true;
    if (own_hosts_ && facts.client.address.is_loopback()) co_return true;
    if (addresses_.contains(facts.client.address)) co_return true;
    auto inside = co_await networks_.contains(facts.client.address);
    if (!inside) co_return std::unexpected(inside.error().text);
    if (*inside) co_return true;
    const std::string address = facts.client.address.text();
    for (const auto& table : tables_) {
        auto found = co_await table->lookup(address);
        if (!found) co_return std::unexpected(found.error().text);
        if (*found) co_return true;
    }
    co_return false;
}

}  // namespace policy
