// What the smtp and lmtp transports change in content and addresses on the way out, under its main.cf names.
#pragma once

#include "base/parameter.hpp"
#include "content/limit_options.hpp"

#include <cstdint>
#include <string>

namespace delivery {

struct OutgoingOptions : content::LimitOptions {
    std::string header_checks, mime_header_checks, nested_header_checks, body_checks, generic_maps;
    std::uint32_t line_octets_max = 998;

    static constexpr void describe(auto& parameter) {
        using O = OutgoingOptions;
        using base::Between;
        using base::Default;
        parameter("smtp_header_checks", &O::header_checks, Default{""},
                  "Tables that each header field is looked up in while mail is sent (header_checks(5)): "
                  "IGNORE, STRIP, REPLACE, PREPEND, WARN, INFO, DUNNO; other actions are said in the log and "
                  "left undone. A change breaks DKIM signatures over what it changes.");
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
