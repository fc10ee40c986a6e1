// A resolver for one message: what its questions may cost in time and number, whatever strangers publish.
// Past a limit every answer is a time-out, at once. Belongs to one loop.
#pragma once

#include "env/loop.hpp"
#include "env/resolver.hpp"

#include <cstddef>
#include <optional>

namespace policy {

struct QuestionLimits {
    env::Duration time;  // of all questions together, from the first
    std::size_t queries_max = 0;
};

class BoundedResolver : public env::Resolver {
 public:
    /// `inner` and `loop` must live as long as a question is under way there, not only as long as this.
    BoundedResolver(env::Resolver& inner, env::Loop& loop, QuestionLimits limits)
        : inner_(inner), loop_(loop), limits_(limits) {}
    env::Task<env::DnsAnswer> query(dns::Name name, dns::Type type) override;
    std::size_t queries() const { return queries_; }
    /// Some question was not answered because of a limit.
    bool exceeded() const { return exceeded_; }

 private:
    env::Resolver& inner_;
    env::Loop& loop_;
    QuestionLimits limits_;
    std::size_t queries_ = 0;
    std::optional<env::SteadyTime> deadline_;  // none: nothing was asked yet
    bool exceeded_ = false;
};

}  // namespace policy
