#include "platform/curl_http.hpp"

#include "base/text.hpp"

#include <curl/curl.h>
#include <fmt/format.h>
#include <memory>

namespace platform {
namespace {

constexpr std::size_t header_octets_max = 64 * 1024;
constexpr long connect_seconds_max = 15;

struct Exchange {
    env::HttpResponse response;
    std::uint64_t body_max = 0;
    std::size_t header_octets = 0;
    bool too_long = false;
};

std::size_t take_body(char* data, std::size_t, std::size_t size, void* self) {
    auto& exchange = *static_cast<Exchange*>(self);
    if (exchange.response.body.size() + size > exchange.body_max) {
        exchange.too_long = true;
        return 0;
    }
    exchange.response.body.append(data, size);
    return size;
}

std::size_t take_header(char* data, std::size_t, std::size_t size, void* self) {
    auto& exchange = *static_cast<Exchange*>(self);
    exchange.header_octets += size;
    if (exchange.header_octets > header_octets_max) {
        exchange.too_long = true;
        return 0;
    }
    const std::string_view line(data, size);
    if (line.starts_with("HTTP/")) exchange.response.headers.clear();  // of the last answer, after any 100
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) return size;
    exchange.response.headers.emplace_back(base::lower(base::trim(line.substr(0, colon))),
                                           std::string(base::trim(line.substr(colon + 1))));
    return size;
}

using Handle = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;
using Headers = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

void set_up(CURL* curl, const env::HttpRequest& request) {
    curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "postrider");
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, static_cast<long>(request.timeout.count()));
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT,
                     std::min(connect_seconds_max, static_cast<long>(request.timeout.count())));
    if (request.method == "HEAD") {
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    } else if (request.method == "POST") {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.body.data());
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    }
    if (!request.ca_pem.empty()) {
        // Not copied: the request outlives the transfer.
        curl_blob ca{const_cast<char*>(request.ca_pem.data()), request.ca_pem.size(), CURL_BLOB_NOCOPY};
        curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &ca);
        curl_easy_setopt(curl, CURLOPT_CAPATH, nullptr);
    }
}

}  // namespace

std::expected<env::HttpResponse, std::string> fetch_blocking(const env::HttpRequest& request) {
    static const bool ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    const Handle curl(ready ? curl_easy_init() : nullptr, curl_easy_cleanup);
    if (!curl) return std::unexpected("libcurl cannot be used");
    Exchange exchange;
    exchange.body_max = request.answer_octets_max;
    set_up(curl.get(), request);
    Headers headers(nullptr, curl_slist_free_all);
    for (const auto& [name, value] : request.headers) {
        curl_slist* longer = curl_slist_append(headers.get(), fmt::format("{}: {}", name, value).c_str());
        if (!longer) return std::unexpected("out of memory");
        static_cast<void>(headers.release());
        headers.reset(longer);
    }
    char why[CURL_ERROR_SIZE] = {};
    curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(curl.get(), CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &exchange);
    curl_easy_setopt(curl.get(), CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(curl.get(), CURLOPT_HEADERDATA, &exchange);
    const CURLcode done = curl_easy_perform(curl.get());
    if (exchange.too_long)
        return std::unexpected(fmt::format("{}: the answer is too long", base::printable(request.url, 200)));
    if (done != CURLE_OK)
        return std::unexpected(fmt::format("{}: {}", base::printable(request.url, 200),
                                           base::printable(why[0] ? why : curl_easy_strerror(done), 300)));
    long status = 0;
    curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
    exchange.response.status = static_cast<int>(status);
    return std::move(exchange.response);
}

env::Task<std::expected<env::HttpResponse, std::string>> CurlHttp::fetch(env::HttpRequest request) {
    auto work = [request = std::move(request)] { return fetch_blocking(request); };
    auto out = co_await workers_.run(std::move(work));
    co_return out;
}

}  // namespace platform
