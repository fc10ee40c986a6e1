// Whose messages are mended on the way in (local_header_rewrite_clients; RFC 6409 §8): missing fields added,
// addresses without a domain completed. Belongs to one loop.
#pragma once

#include "policy/judge.hpp"
#include "routing/match_list.hpp"
#include "tables/factory.hpp"

#include <set>

namespace policy {

class RewriteClients {
 public:
    struct Services {
        tables::Factory& factory;
        env::FileSystem& files;
        const std::set<env::IpAddress>& own_addresses;
        const std::string& my_networks;
    };
    /// `words`: permit_sasl_authenticated, permit_mynetworks, permit_inet_interfaces, permit_tls_clientcerts,
    /// permit_tls_all_clientcerts, check_address_map type:table, type:table. Error: a word it does not know.
    static std::expected<RewriteClients, std::string> make(const std::vector<std::string>& words,
                                                           Services services);
    /// Nobody who did not log in is in it: no need to ask.
    bool only_logged_in() const { return only_logged_in_; }
    /// Error: a table failed.
    env::Task<std::expected<bool, std::string>> contains(Facts facts) const;

 private:
    bool logged_in_ = false, certified_ = false, own_hosts_ = false, only_logged_in_ = true;
    std::set<env::IpAddress> addresses_;
    routing::NetworkList networks_;
    std::vector<std::shared_ptr<tables::Table>> tables_;
};

}  // namespace policy
