// What a domain should publish for a configuration of ours, each record compared with what the DNS says now.
#pragma once

#include "env/clock.hpp"
#include "env/network.hpp"
#include "env/resolver.hpp"
#include "env/task.hpp"

#include <string>
#include <utility>
#include <vector>

namespace commands {

struct WantedRecord {
    std::string purpose;             // "MX", "DKIM s1", …
    std::string name, type;          // "_dmarc.example.org", "TXT"
    std::string line;                // zone text to paste
    std::string state;               // ok, missing, differs, unknown (the DNS did not answer)
    std::string note;                // for people
    std::vector<std::string> found;  // what is there now
    std::string policy;              // MTA-STS: the text to serve
};

struct DnsCall {
    std::string domain, host;    // host: the name of the mail server
    std::string report_address;  // for reports about the domain
    std::string srs_domain;      // of forwarded mail's senders (srs_domain); empty: none
    std::vector<env::IpAddress> addresses;
    std::vector<std::pair<std::string, std::string>> keys;  // selector, record
    struct Service {
        std::string name;  // "submission", "submissions", "imap", "imaps"
        std::uint16_t port = 0;
    };
    std::vector<Service> services;
};

class DnsChecker {
 public:
    DnsChecker(env::Resolver& resolver, const env::Clock& clock, DnsCall call)
        : resolver_(resolver), clock_(clock), call_(std::move(call)) {}
    /// Once. In the order in which one publishes.
    env::Task<std::vector<WantedRecord>> run();

 private:
    env::Task<env::DnsAnswer> ask(std::string name, dns::Type type);
    env::Task<void> record(std::string purpose, std::string name, dns::Type type, std::string value,
                           std::string note = {});
    env::Task<void> alias(std::string purpose, std::string name, std::string note);
    env::Task<void> sender_policy(std::string purpose, std::string name, std::string value,
                                  std::string mail_from);
    env::Task<void> forwarding_senders();
    env::Task<void> signing_key(std::string selector, std::string value);
    env::Task<void> author_policy();
    env::Task<void> report_permissions(std::vector<std::string> addresses);
    env::Task<void> tls_reports();
    env::Task<void> strict_transport();
    /// The texts at `name` that begin with `prefix`; `state` is set unless exactly one is there.
    env::Task<std::vector<std::string>> texts(std::string name, std::string prefix, WantedRecord& out);

    env::Resolver& resolver_;
    const env::Clock& clock_;
    DnsCall call_;
    std::vector<WantedRecord> out_;
};

}  // namespace commands
