// The real env::Http: libcurl on a worker thread (docs/decisions/0017). TLS 1.2 and later, certificates
// always verified, no redirects, no proxies but those of the environment, no other protocols, bounded time
// and size.
#pragma once

#include "env/http.hpp"
#include "env/workers.hpp"

namespace platform {

class CurlHttp : public env::Http {
 public:
    explicit CurlHttp(env::Workers& workers) : workers_(workers) {}
    env::Task<std::expected<env::HttpResponse, std::string>> fetch(env::HttpRequest request) override;

 private:
    env::Workers& workers_;
};

/// The same, here and now, on the calling thread.
std::expected<env::HttpResponse, std::string> fetch_blocking(const env::HttpRequest& request);

}  // namespace platform
