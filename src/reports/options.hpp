// Settings of reports, under their main.cf names.
#pragma once

#include "base/parameter.hpp"
#include "base/text.hpp"
#include "mail/address.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace reports {

struct ReportOptions {
    bool reporting = false;
    std::string sender, org_name, contact, extra_contact, submitter, mail_name = "Postrider";
    std::chrono::seconds interval{86400}, jitter{1800}, retry{3600}, give_up{259200}, history{34560000};
    std::uint32_t rows_max = 10000, domains_max = 20000, uris_max = 5;
    std::vector<std::string> addresses;
    std::uint64_t mail_octets_max = 26214400, history_octets_max = 268435456;

    bool is_report_address(const mail::Address& address) const {
        return std::ranges::any_of(addresses,
                                   [&](const auto& one) { return base::iequals(one, address.text()); });
    }

    static constexpr void describe(auto& parameter) {
        using namespace std::chrono_literals;
        using O = ReportOptions;
        using base::Between;
        using base::Default;
        parameter(
            "dmarc_reporting", &O::reporting, Default{"no"},
            "Send aggregate reports (RFC 9990) to the authors' domains that ask for them in their DMARC "
            "record; needs sender_authentication.");
        parameter(
            "dmarc_report_sender", &O::sender, Default{"postmaster@$mydomain"},
            "From: of the reports we send; its domain should have a key in dkim_signing_keys. The envelope "
            "sender is empty: a report never bounces.");
        parameter("dmarc_report_org_name", &O::org_name, Default{"$mydomain"},
                  "Who reports, in the reports we send.");
        parameter("dmarc_report_contact", &O::contact, Default{"$dmarc_report_sender"},
                  "Whom to write to about the reports we send.");
        parameter("dmarc_report_extra_contact", &O::extra_contact, Default{""},
                  "More about how to reach us, such as a web page.");
        parameter("dmarc_report_submitter", &O::submitter, Default{"$mydomain"},
                  "Our domain in the reports' names and subjects.");
        parameter("mail_name", &O::mail_name, Default{"Postrider"},
                  "The name of the mail system in Received: and notifications.");
        parameter("dmarc_report_interval", &O::interval, Between{60s, 86400s}, Default{"1d"},
                  "The period of one report, counted from midnight UTC.");
        parameter("dmarc_report_jitter", &O::jitter, Between{0s, 21600s}, Default{"30m"},
                  "Reports are sent spread over this time after their period, each domain's at a place of "
                  "its own.");
        parameter("dmarc_report_retry_time", &O::retry, Between{10s, 86400s}, Default{"1h"},
                  "When a report is tried again that could not be sent because the DNS or the queue failed.");
        parameter("dmarc_report_give_up_time", &O::give_up, Between{60s, 2592000s}, Default{"3d"},
                  "A report that could not be sent for so long is dropped.");
        parameter(
            "dmarc_report_row_limit", &O::rows_max, Between{1, 1000000},
            "The most records of one report; further messages are counted and named in its error element.");
        parameter("dmarc_report_domain_limit", &O::domains_max, Between{1, 1000000},
                  "The most domains that are reported to in one period.");
        parameter("dmarc_report_uri_limit", &O::uris_max, Between{1, 20},
                  "To how many addresses of one DMARC record reports are sent.");
        parameter(
            "dmarc_report_address", &O::addresses, Default{""},
            "Addresses of ours that reports are sent to: what arrives there is also read into the history of "
            "postrider reports, and is never itself reported.");
        parameter("dmarc_report_mail_limit", &O::mail_octets_max, Between{1024, 268435456},
                  "Larger mails to dmarc_report_address are only delivered, not read.");
        parameter("dmarc_report_history_time", &O::history, Between{86400s, 315360000s}, Default{"400d"},
                  "How long sent and received reports are remembered.");
        parameter("dmarc_report_history_limit", &O::history_octets_max, Between{1048576, 1099511627776},
                  "The most octets of received reports that are kept; the oldest go first.");
    }
};

}  // namespace reports
