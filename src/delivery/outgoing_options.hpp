// What the smtp and lmtp transports change in content and addresses on the way out, under its main.cf names.
// Of these an lmtp service reads its own lmtp_… names only.
#pragma once

#include "base/parameter.hpp"
#include "content/limit_options.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace delivery {

struct OutgoingOptions : content::LimitOptions {
    std::string header_checks, mime_header_checks, nested_header_checks, body_checks, generic_maps;
    std::uint32_t line_octets_max = 998;
    /// Whose lmtp_… form does not fall back on smtp_…: they are about other machines than those of LMTP.
    static constexpr std::array<std::string_view, 6> own_lmtp_names{
        "header_checks", "mime_header_checks", "nested_header_checks",
        "body_checks",   "generic_maps",       "line_length_limit"};

    static constexpr void describe(auto& parameter) {
        using O = OutgoingOptions;
        using base::Between;
        using base::Default;
        parameter("smtp_header_checks", &O::header_checks, Default{""},
                  "Tables that each header field is looked up in while mail is sent (header_checks(5)): "
                  "IGNORE, STRIP, REPLACE, PREPEND, WARN, INFO, DUNNO; other actions are said in the log and "
                  "left undone. A change breaks DKIM signatures over what it changes. An lmtp service reads "
                  "lmtp_header_checks only, and so for the five that follow.");
        parameter("smtp_mime_header_checks", &O::mime_header_checks, Default{""},
                  "The same for MIME fields and for the headers of MIME parts.");
        parameter("smtp_nested_header_checks", &O::nested_header_checks, Default{""},
                  "The same for the headers of attached messages.");
        parameter("smtp_body_checks", &O::body_checks, Default{""},
                  "Tables that each line of a body is looked up in while mail is sent.");
        parameter("smtp_generic_maps", &O::generic_maps, Default{""},
                  "Tables from addresses that only this site knows to addresses the world knows "
                  "(generic(5)): of sender, recipients and header fields of mail while it is sent.");
        parameter(
            "smtp_line_length_limit", &O::line_octets_max, Between{0, 1000000000},
            "Longer lines are broken by CRLF and a space while mail is sent (RFC 5321 section "
            "4.5.3.1.6), which breaks DKIM signatures of others over them; what we sign is broken before. "
            "0: they are not.");
        content::LimitOptions::describe(parameter);
    }
};

}  // namespace delivery
