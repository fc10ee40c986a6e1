// What an ACME server's JSON says (RFC 8555 §7.1, §6.7), as values. The octets are a stranger's: sizes and
// counts are bounded, members of another type are missing members, nothing throws. Pure.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace acme {

struct MessageLimits {
    static constexpr std::size_t octets_max = 256 * 1024;
    static constexpr std::size_t items_max = 200;  // authorizations of an order, challenges of one
    static constexpr std::size_t url_octets_max = 2000, text_octets_max = 1000, token_octets_max = 200;
};

struct Directory {
    std::string new_nonce, new_account, new_order;
    std::string terms;  // URL; empty: none
    bool external_account_required = false;
};

/// RFC 7807 as RFC 8555 §6.7 uses it.
struct Problem {
    std::string type;    // without "urn:ietf:params:acme:error:" where it has that
    std::string detail;  // printable, for people
    bool empty() const { return type.empty() && detail.empty(); }
    std::string text() const;
};

enum class Status { Unknown, Pending, Processing, Ready, Valid, Invalid };

struct Challenge {
    std::string type, url, token;
    Problem error;
};
struct Authorization {
    std::string name;
    Status status = Status::Unknown;
    std::vector<Challenge> challenges;
};
struct Order {
    Status status = Status::Unknown;
    std::vector<std::string> authorizations;
    std::string finalize, certificate;
    Problem error;
};

/// Errors are sentences: what is missing or wrong.
std::expected<Directory, std::string> parse_directory(std::string_view json);
std::expected<Authorization, std::string> parse_authorization(std::string_view json);
std::expected<Order, std::string> parse_order(std::string_view json);
/// Never fails: a body that says nothing is an empty problem.
Problem parse_problem(std::string_view json);

/// https:// and printable, within the limits.
bool is_usable_url(std::string_view url);
/// base64url's alphabet (nonces: RFC 8555 §6.5.1, tokens: §8.3), not empty, within the limits.
bool is_base64url(std::string_view text);

}  // namespace acme
