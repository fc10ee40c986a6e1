// A DMARC policy record (RFC 9989 §4.7 and §4.8) as a value. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dmarc {

enum class Policy { None, Quarantine, Reject };
std::string_view to_text(Policy policy);

enum class Alignment { Relaxed, Strict };
enum class Psd { Yes, No, Unknown };

/// A reporting address; only mailto: is known.
struct ReportUri {
    std::string address;         // percent-decoded
    std::uint64_t size_max = 0;  // RFC 7489's "!10m"; 0: none given
};

struct Record {
    std::optional<Policy> p, sp, np;  // as published; a wrong value counts as absent, and as `invalid_policy`
    bool invalid_policy = false;
    Alignment adkim = Alignment::Relaxed, aspf = Alignment::Relaxed;
    Psd psd = Psd::Unknown;
    bool testing = false;    // t=y
    unsigned percent = 100;  // pct= of RFC 7489
    std::string failure_options = "0";
    std::vector<ReportUri> rua, ruf;
    bool names_report_uri = false;  // rua= holds a URI, perhaps of a scheme we do not know

    /// Of the domain itself, of an existing subdomain, of one that does not exist.
    Policy for_domain() const { return p.value_or(Policy::None); }
    Policy for_subdomain() const { return sp.value_or(for_domain()); }
    Policy for_missing_subdomain() const { return np.value_or(for_subdomain()); }
    /// Neither a valid p= nor a rua= that would make up for it: no DMARC (§4.10.1).
    bool usable() const { return (p.has_value() && !invalid_policy) || names_report_uri; }
};

/// nullopt: not a DMARC record (v=DMARC1 must come first). Errors behind that fall back to the defaults.
std::optional<Record> parse_record(std::string_view text);

}  // namespace dmarc
