// Macro expansion (RFC 7208 §7). Pure: the one macro that asks DNS, %{p}, is answered by the caller
// beforehand.
#pragma once

#include "env/network.hpp"

#include <string>
#include <string_view>

namespace spf {

struct MacroValues {
    std::string sender;                      // %{s}: local-part@domain
    std::string local_part;                  // %{l}
    std::string sender_domain;               // %{o}
    std::string domain;                      // %{d}: the current <domain>
    env::IpAddress ip;                       // %{i}, %{c}, %{v}
    std::string helo;                        // %{h}
    std::string validated_name = "unknown";  // %{p}
    std::string receiver = "unknown";        // %{r}
    std::uint64_t unix_time = 0;             // %{t}
};

/// Where the text stands: c, r and t are for explanations only (§7.2).
enum class MacroPlace { DomainSpec, Explanation };

/// True when `text` follows macro-string (DomainSpec: also domain-end, §7.1; Explanation: spaces allowed).
bool is_valid_macro_text(std::string_view text, MacroPlace place);
/// True when expansion needs %{p}.
bool uses_validated_name(std::string_view text);
/// `text` must be valid. Output is bounded: at most `text.size()` times the longest value.
std::string expand_macros(std::string_view text, const MacroValues& values, MacroPlace place);
/// The name to ask for: expanded, without trailing dot, cut from the left to 253 octets (§7.3).
std::string expand_domain(std::string_view domain_spec, const MacroValues& values);

}  // namespace spf
