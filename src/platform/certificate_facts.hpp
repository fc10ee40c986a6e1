// What a certificate file says of itself: until when, for whom. For warnings before it bites.
#pragma once

#include <chrono>
#include <expected>
#include <string>
#include <vector>

namespace platform {

struct CertificateFacts {
    std::chrono::system_clock::time_point not_before, not_after;
    std::vector<std::string> names;  // DNS names; the common name where there are none
    std::string subject, issuer;     // as RFC 2253 writes them
    /// Of the certificates behind the first, the one that ends first: its common name, or "" for none.
    std::string other_name;
    std::chrono::system_clock::time_point other_not_after;
};

/// Of the first certificate of a PEM text, and of the chain behind it. Error: a sentence for the
/// administrator.
std::expected<CertificateFacts, std::string> certificate_facts(const std::string& pem);

}  // namespace platform
