// An SPF record as a value (RFC 7208 §4.6.1, §12): directives and modifiers. The whole record is parsed
// before anything is asked: a syntax error anywhere is a permerror (§4.6).
#pragma once

#include "env/network.hpp"

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace spf {

enum class Qualifier : char { Pass = '+', Fail = '-', SoftFail = '~', Neutral = '?' };

struct Mechanism {
    enum class Kind { All, Include, A, Mx, Ptr, Ip4, Ip6, Exists } kind = Kind::All;
    Qualifier qualifier = Qualifier::Pass;
    std::string domain_spec;  // unexpanded; empty: the current domain
    unsigned prefix4 = 32;    // a, mx: dual-cidr-length; ip4, ip6: the network's
    unsigned prefix6 = 128;
    env::IpAddress network;  // ip4, ip6
    std::string text;        // as published, for explanations
};

struct Record {
    std::vector<Mechanism> mechanisms;
    std::optional<std::string> redirect;  // domain-spec
    std::optional<std::string> exp;       // domain-spec
};

struct RecordError {
    std::string term;  // the term that is wrong
    std::string why;
};

/// True when `text` is a version 1 record: "v=spf1" alone or followed by a space (§4.5).
bool is_spf1(std::string_view text);
/// `text` includes "v=spf1".
std::expected<Record, RecordError> parse_record(std::string_view text);

}  // namespace spf
