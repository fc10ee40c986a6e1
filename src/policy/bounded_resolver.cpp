#include "policy/bounded_resolver.hpp"

#include <memory>
#include <optional>

namespace policy {
namespace {

/// Owned by both sides: the question may outlive who asked.
struct Race {
    std::optional<env::DnsAnswer> answer;
    std::unique_ptr<env::Timer> timer;
};

env::Task<void> ask(env::Resolver& resolver, dns::Name name, dns::Type type, std::shared_ptr<Race> race) {
    env::DnsAnswer answer = co_await resolver.query(std::move(name), type);
    race->answer = std::move(answer);
    race->timer->cancel();
}

env::DnsAnswer timed_out(const char* why) {
    env::DnsAnswer out;
    out.status = env::DnsAnswer::Status::Timeout;
    out.why = why;
    return out;
}

}  // namespace

env::Task<env::DnsAnswer> BoundedResolver::query(dns::Name name, dns::Type type) {
    const auto now = loop_.clock().steady();
    if (!deadline_) deadline_ = now + limits_.time;
    if (queries_ >= limits_.queries_max) {
        exceeded_ = true;
        co_return timed_out("more questions than one message may cause");
    }
    if (now < *deadline_) {
        ++queries_;
        auto race = std::make_shared<Race>();
        race->timer = loop_.make_timer();
        loop_.spawn(ask(inner_, std::move(name), type, race));
        if (!race->answer) co_await race->timer->wait_until(*deadline_);
        if (race->answer) co_return std::move(*race->answer);
    }
    exceeded_ = true;
    co_return timed_out("the time for this message's questions is over");
}

}  // namespace policy
