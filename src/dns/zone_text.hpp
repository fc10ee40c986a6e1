// One resource record as zone text (RFC 1035 §5.1): "example.org. 3600 IN MX 10 mail.example.org.". For the
// simulated DNS of tests, and for what administrators are told to publish.
#pragma once

#include "dns/record.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace dns {

/// Names are absolute, with or without the final dot; TTL and class may be left out. Types: A, AAAA, MX, TXT,
/// PTR, CNAME, NS, SRV, TLSA.
struct ZoneRecord {
    Name owner;
    Record record;
};
std::optional<ZoneRecord> parse_zone_line(std::string_view line);

/// A TXT record's text as quoted strings of at most 255 octets each (RFC 1035 §3.3.14), quotes and octets
/// outside ASCII escaped.
std::string text_strings(std::string_view text);

std::optional<Type> parse_type(std::string_view text);
std::string_view to_text(Type type);
Type type_of(const Record& record);

}  // namespace dns
