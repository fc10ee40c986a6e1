// HTTP questions: one request, one bounded answer. Redirects are answers like any other: who asks decides.
// Used by acme/ and by whatever asks a web service.
#pragma once

#include "env/task.hpp"

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>
#include <utility>
#include <vector>

namespace env {

struct HttpRequest {
    std::string method = "GET";  // GET, HEAD or POST
    std::string url;             // https:// or http://
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;    // of a POST
    std::string ca_pem;  // the only authorities trusted for this request; empty: the system's
    std::uint64_t answer_octets_max = 1 << 20;
    std::chrono::seconds timeout{30};  // for the whole exchange
};

struct HttpResponse {
    int status = 0;
    std::vector<std::pair<std::string, std::string>> headers;  // names in lower case, in the order they came
    std::string body;

    /// The first of that name (lower case); "" when there is none.
    std::string header(std::string_view name) const {
        for (const auto& [key, value] : headers)
            if (key == name) return value;
        return {};
    }
};

/// Belongs to one loop. Any number of requests may be under way.
class Http {
 public:
    virtual ~Http() = default;
    /// Any answer is an answer, whatever its status. Error: a sentence (no connection, no trust, too late,
    /// too long).
    virtual Task<std::expected<HttpResponse, std::string>> fetch(HttpRequest request) = 0;
};

}  // namespace env
