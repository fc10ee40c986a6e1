// What is looked for in messages and changed in them (Postfix's cleanup), under its main.cf names.
#pragma once

#include "base/parameter.hpp"
#include "content/limit_options.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace policy {

struct FilterOptions : content::LimitOptions {
    std::string header_checks, mime_header_checks, nested_header_checks, body_checks;
    std::uint64_t body_checks_octets = 51200;
    std::vector<std::string> dropped_headers;
    std::string cleanup_service, content_filter, default_filter_next_hop;
    std::vector<std::string> overrides;
    std::string remote_domain;

    bool overridden(std::string_view what) const {
        for (const auto& word : overrides)
            if (word == what) return true;
        return false;
    }
    static constexpr void describe(auto& parameter) {
        using O = FilterOptions;
        using base::Between;
        using base::Default;
        parameter(
            "header_checks", &O::header_checks, Default{""},
            "Tables that each header field of a message is looked up in (header_checks(5)): REJECT, DISCARD, "
            "IGNORE, REPLACE, PREPEND, FILTER, REDIRECT, HOLD, BCC, WARN, INFO.");
        parameter("mime_header_checks", &O::mime_header_checks, Default{"$header_checks"},
                  "The same for MIME fields and for the headers of MIME parts.");
        parameter("nested_header_checks", &O::nested_header_checks, Default{"$header_checks"},
                  "The same for the headers of attached messages.");
        parameter("body_checks", &O::body_checks, Default{""},
                  "Tables that each line of a message's body is looked up in.");
        parameter("body_checks_size_limit", &O::body_checks_octets, Between{0, 1000000000},
                  "How many octets of each part of a body body_checks look at.");
        content::LimitOptions::describe(parameter);
        parameter("message_drop_headers", &O::dropped_headers,
                  Default{"bcc, content-length, resent-bcc, return-path"},
                  "Header fields that are taken out of every message.");
        parameter(
            "cleanup_service_name", &O::cleanup_service, Default{"cleanup"},
            "The cleanup service of master.cf whose -o settings say what is done to a service's messages.");
        parameter(
            "content_filter", &O::content_filter, Default{""},
            "transport:nexthop that every message is handed to first, as to a virus scanner; it comes back "
            "to a service with content_filter empty.");
        parameter("default_filter_nexthop", &O::default_filter_next_hop, Default{""},
                  "The next hop of a content filter that names none; empty: the recipient's domain.");
        parameter("receive_override_options", &O::overrides, Default{""},
                  "What a service leaves out: no_unknown_recipient_checks, no_address_mappings, "
                  "no_header_body_checks, no_milters.");
        parameter(
            "remote_header_rewrite_domain", &O::remote_domain, Default{""},
            "The domain for incomplete addresses in the header fields of other clients' messages; empty: "
            "those are left alone.");
    }
};

}  // namespace policy
