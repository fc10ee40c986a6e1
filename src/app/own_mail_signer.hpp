// DKIM for what this server writes itself: notifications and reports. One for one message; belongs to its
// loop.
#pragma once

#include "env/clock.hpp"
#include "env/workers.hpp"
#include "policy/content_check.hpp"
#include "queue/notifier.hpp"

#include <memory>
#include <string>

namespace app {

class OwnMailSigner : public queue::NoticeSigner {
 public:
    /// `rules` nullptr: nothing is signed.
    OwnMailSigner(const std::shared_ptr<const policy::ContentRules>& rules, env::Workers& workers,
                  const env::Clock& clock)
        : workers_(workers), clock_(clock) {
        if (rules && !rules->keys.empty()) check_.emplace(rules, policy::ContentCheck::Role::Sign);
    }
    void feed(std::string_view content) override {
        if (!check_) return;
        kept_.clear();
        check_->feed(content, kept_);
    }
    env::Task<std::string> fields() override {
        if (!check_) co_return std::string();
        kept_.clear();
        check_->end(kept_);
        std::string out = co_await check_->sign(workers_, std::string(), env::unix_time(clock_.wall()));
        co_return out;
    }

 private:
    env::Workers& workers_;
    const env::Clock& clock_;
    std::optional<policy::ContentCheck> check_;
    std::string kept_;  // what the check hands on: the content as it is, which we have already
};

}  // namespace app
