#include "platform/unbound_resolver.hpp"

#include "base/text.hpp"
#include "dns/rdata.hpp"
#include "dns/zone_text.hpp"
#include "env/network.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unbound.h>
#include <unistd.h>

namespace platform {
namespace {

// What libunbound would answer by itself: private networks and test names must reach the configured servers.
constexpr const char* answered_locally[] = {
    "test.",
    "invalid.",
    "localhost.",
    "onion.",
    "home.arpa.",
    "10.in-addr.arpa.",
    "127.in-addr.arpa.",
    "168.192.in-addr.arpa.",
    "254.169.in-addr.arpa.",
    "2.0.192.in-addr.arpa.",
    "100.51.198.in-addr.arpa.",
    "113.0.203.in-addr.arpa.",
    "0.in-addr.arpa.",
    "255.255.255.255.in-addr.arpa.",
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa.",
    "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa.",
    "d.f.ip6.arpa.",
    "8.e.f.ip6.arpa.",
    "9.e.f.ip6.arpa.",
    "a.e.f.ip6.arpa.",
    "b.e.f.ip6.arpa.",
    "8.b.d.0.1.0.0.2.ip6.arpa."};

/// "address@port", as libunbound wants it.
std::expected<std::string, std::string> forward_text(const std::string& server) {
    std::string_view host = server, port;
    if (host.starts_with('[')) {
        const auto end = host.find(']');
        if (end != std::string_view::npos && host.substr(end + 1).starts_with(':'))
            port = host.substr(end + 2);
        host = host.substr(1, end == std::string_view::npos ? end : end - 1);
    } else if (std::ranges::count(host, ':') == 1) {
        port = host.substr(host.find(':') + 1);
        host = host.substr(0, host.find(':'));
    }
    const auto number = port.empty() ? std::optional<std::uint64_t>(53) : base::parse_number(port, 65535);
    if (!env::IpAddress::parse(host) || !number || *number == 0)
        return std::unexpected(fmt::format("dns_servers: '{}' is not an address or address:port", server));
    return fmt::format("{}@{}", host, *number);
}

std::string problem(const char* what, int code) { return fmt::format("{}: {}", what, ub_strerror(code)); }

env::DnsAnswer failed(std::string why) {
    env::DnsAnswer out;
    out.status = env::DnsAnswer::Status::ServFail;
    out.why = std::move(why);
    return out;
}

constexpr std::size_t records_max = 1000;

env::DnsAnswer convert(const ub_result& result, dns::Type type, const dns::Name& asked) {
    using Status = env::DnsAnswer::Status;
    env::DnsAnswer out;
    out.secure = result.secure != 0;
    out.ttl = std::chrono::seconds(std::max(result.ttl, 0));
    out.canonical_name = asked;
    if (result.canonname)
        if (auto name = dns::Name::parse(result.canonname)) out.canonical_name = std::move(*name);
    if (result.bogus) {
        out.status = Status::Bogus;
        out.why = fmt::format("DNSSEC validation failed: {}", result.why_bogus ? result.why_bogus : "");
        return out;
    }
    constexpr int no_error = 0, name_error = 3, server_failure = 2;
    if (result.rcode == name_error) {
        out.status = Status::NxDomain;
        out.why = "Host not found";
        return out;
    }
    if (result.rcode != no_error) {
        out.why = result.rcode == server_failure
                      ? "Host not found, try again (SERVFAIL)"
                      : fmt::format("the name server answered with error {}", result.rcode);
        return out;
    }
    for (std::size_t i = 0; result.havedata && result.data[i] && i < records_max; ++i) {
        auto record = dns::decode_rdata(type, {result.data[i], static_cast<std::size_t>(result.len[i])});
        if (record) out.records.push_back(std::move(*record));
    }
    out.status = out.records.empty() ? Status::NoData : Status::Ok;
    if (out.records.empty())
        out.why = fmt::format("Host found but no data record of requested type ({})", dns::to_text(type));
    return out;
}

}  // namespace

struct UnboundService::Question {
    UnboundService& service;
    dns::Name name;
    dns::Type type;
    Done done;
};

std::expected<std::unique_ptr<UnboundService>, std::string> UnboundService::start(
    const DnsSettings& settings) {
    ub_ctx* context = ub_ctx_create();
    if (!context) return std::unexpected("the DNS library cannot start: out of memory");
    const auto fail = [&](std::string text) {
        ub_ctx_delete(context);
        return std::unexpected(std::move(text));
    };
    ub_ctx_debuglevel(context, 0);
    const std::pair<const char*, std::string> options[] = {
        {"do-not-query-localhost:", "no"},
        {"outgoing-range:", "1024"},
        // Who asks orders answers himself: SPF's limits must judge the same record always the same way.
        {"rrset-roundrobin:", "no"},
        {"num-queries-per-thread:", "4096"},
        {"val-permissive-mode:", settings.strict ? "no" : "yes"},
        {"infra-host-ttl:", "60"},
    };
    for (const auto& [name, value] : options)
        if (const int code = ub_ctx_set_option(context, name, value.c_str()); code != 0)
            return fail(problem(name, code));
    if (!settings.trust_anchor_file.empty() && ::access(settings.trust_anchor_file.c_str(), R_OK) == 0)
        if (const int code = ub_ctx_add_ta_file(context, settings.trust_anchor_file.c_str()); code != 0)
            return fail(problem(settings.trust_anchor_file.c_str(), code));
    if (settings.servers.empty()) {
        if (::access("/etc/resolv.conf", R_OK) == 0)
            if (const int code = ub_ctx_resolvconf(context, nullptr); code != 0)
                return fail(problem("/etc/resolv.conf", code));
    } else if (settings.servers.front() != "recursion") {
        for (const auto& server : settings.servers) {
            const auto text = forward_text(server);
            if (!text) return fail(text.error());
            if (const int code = ub_ctx_set_fwd(context, text->c_str()); code != 0)
                return fail(problem(server.c_str(), code));
        }
    }
    if (const int code = ub_ctx_async(context, 1); code != 0) return fail(problem("threads", code));
    for (const auto* zone : answered_locally) ub_ctx_zone_remove(context, zone);
    return std::unique_ptr<UnboundService>(new UnboundService(context, settings.timeout));
}

UnboundService::UnboundService(ub_ctx* context, std::chrono::seconds timeout)
    : context_(context), timeout_(timeout) {
    CHECK(::pipe2(wake_, O_CLOEXEC | O_NONBLOCK) == 0);
    thread_ = std::thread([this] { collect(); });
}

UnboundService::~UnboundService() {
    stopping_ = true;
    static_cast<void>(::write(wake_[1], "x", 1) + 0);
    thread_.join();
    ub_ctx_delete(context_);
    for (auto* question : open_) delete question;
    ::close(wake_[0]);
    ::close(wake_[1]);
}

void UnboundService::collect() {
    pollfd descriptors[] = {{ub_fd(context_), POLLIN, 0}, {wake_[0], POLLIN, 0}};
    while (!stopping_) {
        if (::poll(descriptors, std::size(descriptors), -1) < 0 && errno != EINTR) return;
        if (descriptors[0].revents != 0) ub_process(context_);
    }
}

void UnboundService::ask(const dns::Name& name, dns::Type type, Done done) {
    auto* question = new Question{*this, name, type, std::move(done)};
    {
        const std::lock_guard lock(mutex_);
        open_.insert(question);
    }
    constexpr int internet = 1;
    const std::string text = name.text() + ".";
    const int code = ub_resolve_async(context_, text.c_str(), static_cast<int>(type), internet, question,
                                      answered, nullptr);
    if (code != 0) answered(question, code, nullptr);
}

void UnboundService::answered(void* pointer, int error, ub_result* result) {
    const std::unique_ptr<Question> question(static_cast<Question*>(pointer));
    {
        auto& service = question->service;
        const std::lock_guard lock(service.mutex_);
        service.open_.erase(question.get());
    }
    env::DnsAnswer out =
        error != 0 || !result ? failed(ub_strerror(error)) : convert(*result, question->type, question->name);
    ub_resolve_free(result);
    question->done(std::move(out));
}

namespace {

/// One wait for one answer. The loop's timer gives the deadline and is what the answer wakes.
struct Waiting {
    env::Timer* timer = nullptr;  // nullptr: nobody waits any more
    std::optional<env::DnsAnswer> answer;
};

struct StopWaiting {
    std::shared_ptr<Waiting> waiting;
    ~StopWaiting() { waiting->timer = nullptr; }
};

}  // namespace

env::Task<env::DnsAnswer> UnboundResolver::query(dns::Name name, dns::Type type) {
    const auto timer = loop_.make_timer();
    const auto waiting = std::make_shared<Waiting>();
    waiting->timer = timer.get();
    const StopWaiting stop{waiting};
    service_.ask(name, type, [&loop = loop_, waiting](env::DnsAnswer answer) {
        loop.post([waiting, answer = std::move(answer)]() mutable {
            waiting->answer = std::move(answer);
            if (waiting->timer) waiting->timer->cancel();
        });
    });
    const auto deadline = loop_.clock().steady() + service_.timeout();
    while (!waiting->answer && loop_.clock().steady() < deadline) co_await timer->wait_until(deadline);
    if (waiting->answer) co_return std::move(*waiting->answer);
    env::DnsAnswer out;
    out.status = env::DnsAnswer::Status::Timeout;
    out.why = fmt::format("Host not found, try again (no answer in {} s)", service_.timeout().count());
    co_return out;
}

}  // namespace platform
