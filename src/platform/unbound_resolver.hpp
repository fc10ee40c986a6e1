// The real env::Resolver: libunbound, validating, with one cache for the whole process. A question never
// holds a thread: libunbound asks, one thread of ours collects the answers and hands each to the loop that
// waits.
#pragma once

#include "env/loop.hpp"
#include "env/resolver.hpp"

#include <atomic>
#include <chrono>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

struct ub_ctx;
struct ub_result;

namespace platform {

struct DnsSettings {
    /// "192.0.2.53", "192.0.2.53:5353", "[2001:db8::53]:53"; empty: /etc/resolv.conf; "recursion": own
    /// recursion from the root.
    std::vector<std::string> servers;
    /// Root key file for DNSSEC; empty, or not there: nothing is validated.
    std::string trust_anchor_file;
    bool strict = false;  // what does not validate is an error; otherwise it only counts as insecure
    std::chrono::seconds timeout{15};
};

/// Shared by all loops; outlives their resolvers. Thread-safe.
class UnboundService {
 public:
    /// Error: a sentence for the administrator.
    static std::expected<std::unique_ptr<UnboundService>, std::string> start(const DnsSettings& settings);
    ~UnboundService();
    UnboundService(const UnboundService&) = delete;

    using Done = std::move_only_function<void(env::DnsAnswer)>;
    /// `done` is called once, on the service's thread, unless the service ends first.
    void ask(const dns::Name& name, dns::Type type, Done done);
    std::chrono::seconds timeout() const { return timeout_; }

 private:
    struct Question;
    UnboundService(ub_ctx* context, std::chrono::seconds timeout);
    static void answered(void* question, int error, ub_result* result);
    void collect();

    ub_ctx* context_;
    std::chrono::seconds timeout_;
    int wake_[2] = {-1, -1};
    std::atomic<bool> stopping_{false};
    std::mutex mutex_;
    std::unordered_set<Question*> open_;  // guarded; what is left at the end is freed
    std::thread thread_;
};

class UnboundResolver : public env::Resolver {
 public:
    UnboundResolver(UnboundService& service, env::Loop& loop) : service_(service), loop_(loop) {}
    env::Task<env::DnsAnswer> query(dns::Name name, dns::Type type) override;

 private:
    UnboundService& service_;
    env::Loop& loop_;
};

}  // namespace platform
