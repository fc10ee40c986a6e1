// verify_messages FILE RECORD SECONDS: verifies one signed message over and over on one thread, with the key
// in memory; prints how many a second of processor time. For bench/verify.
#include "base/text.hpp"
#include "dkim/verifier.hpp"

#include <cstdio>
#include <ctime>
#include <fmt/format.h>
#include <fstream>
#include <iterator>

namespace {

class OneRecord : public env::Resolver {
 public:
    explicit OneRecord(std::string text) : text_(std::move(text)) {}
    env::Task<env::DnsAnswer> query(dns::Name, dns::Type) override {
        env::DnsAnswer out;
        out.status = env::DnsAnswer::Status::Ok;
        out.records.emplace_back(dns::Txt{{text_}});
        co_return out;
    }

 private:
    std::string text_;
};

double processor_seconds() {
    timespec now{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) return 64;
    std::ifstream file(argv[1], std::ios::binary);
    const std::string message{std::istreambuf_iterator<char>(file), {}};
    const auto end = message.find("\r\n\r\n");
    const auto seconds = base::parse_number(argv[3], 600);
    if (end == std::string::npos || !seconds) return 65;
    OneRecord resolver(argv[2]);
    const double begin = processor_seconds();
    const double until = begin + static_cast<double>(*seconds);
    unsigned long done = 0;
    while (processor_seconds() < until) {
        dkim::Verifier verifier(message.substr(0, end + 2), {});
        verifier.body(std::string_view(message).substr(end + 4));
        const auto results = env::run_now(verifier.finish(resolver, 1));
        if (results.empty() || results[0].result != dkim::Result::Pass) {
            fmt::print(stderr, "{}\n", results.empty() ? "no signature" : results[0].reason);
            return 1;
        }
        ++done;
    }
    fmt::print("{:.0f}\n", static_cast<double>(done) / (processor_seconds() - begin));
}
