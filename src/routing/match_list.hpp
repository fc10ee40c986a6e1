// Lists of domains and of networks as main.cf writes them: "example.com, .sub, !host, hash:/table, /file" and
// "127.0.0.0/8, [::1]/128, cidr:/table". Used for mydestination, relay_domains, mynetworks and their like.
#pragma once

#include "env/file_system.hpp"
#include "env/network.hpp"
#include "tables/factory.hpp"

#include <expected>
#include <memory>
#include <string>
#include <vector>

namespace routing {

enum class Subdomains { Exact, Parents };  // Parents: "example.com" also matches names below it

class DomainList {
 public:
    static std::expected<DomainList, std::string> make(const std::string& text, tables::Factory& factory,
                                                       env::FileSystem& files, Subdomains subdomains);
    env::Task<std::expected<bool, tables::TableError>> contains(std::string domain) const;
    bool empty() const { return items_.empty(); }

 private:
    struct Item {
        bool negated = false;
        std::string domain;                    // lower case
        std::shared_ptr<tables::Table> table;  // instead of a domain
    };
    std::vector<Item> items_;
    Subdomains subdomains_ = Subdomains::Exact;
};

class NetworkList {
 public:
    static std::expected<NetworkList, std::string> make(const std::string& text, tables::Factory& factory,
                                                        env::FileSystem& files);
    env::Task<std::expected<bool, tables::TableError>> contains(env::IpAddress address) const;

 private:
    struct Item {
        bool negated = false;
        env::IpAddress network;
        unsigned prefix = 0;
        std::shared_ptr<tables::Table> table;
    };
    std::vector<Item> items_;
};

}  // namespace routing
