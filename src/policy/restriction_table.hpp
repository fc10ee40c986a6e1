// What restrictions.cpp (the plain ones), dns_restrictions.cpp and login_restrictions.cpp share: each has a
// table, and restriction_program.cpp looks words up in all three. Private to policy/.
#pragma once

#include "policy/restriction.hpp"

#include <span>
#include <string_view>

namespace policy {

enum class Argument {
    None,
    Table,    // type:name
    Domain,   // of a DNS list: "dnsbl.example.org=127.0.0.[2;3]"
    Service,  // a policy server
    Time
};

struct Entry {
    std::string_view name;
    Argument argument;
    env::Task<Outcome> (*run)(Context&, const Step&);
};

/// By name; nullptr: unknown.
const Entry* find_entry(std::string_view name);

/// Those that need no more than the question and our own tables.
std::span<const Entry> plain_restrictions();
/// Those that ask DNS.
std::span<const Entry> dns_restrictions();
/// Those about logins and client certificates.
std::span<const Entry> login_restrictions();

Outcome permit();
Outcome refuse(std::uint32_t code, std::uint16_t subject, std::uint16_t detail, std::string text);
Outcome lookup_failed(const Context& context, const std::string& shown, const std::string& why);
/// "Client host", "Helo command", … and what stands before it in a reply.
std::string_view stage_word(const Context& context);
std::string stage_shown(const Context& context);
bool is_literal(std::string_view name);
/// The name, then its parent domains (as .parent and parent).
env::Task<tables::Found> look_up_domain(tables::Table& table, std::string name);
/// The address, then its networks.
env::Task<tables::Found> look_up_network(tables::Table& table, std::string address);
env::Task<Outcome> finish_access(Context& context, tables::Found found, std::string shown,
                                 std::string_view what);

}  // namespace policy
