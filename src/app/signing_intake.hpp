// The queue's intake for what this server writes itself, such as notifications: each message is DKIM-signed
// for its author on the way in, where there is a key. Belongs to its loop.
#pragma once

#include "env/clock.hpp"
#include "env/workers.hpp"
#include "policy/content_check.hpp"
#include "queue/intake.hpp"

#include <functional>
#include <memory>

namespace app {

class SigningIntake : public queue::Intake {
 public:
    using Rules = std::function<std::shared_ptr<const policy::ContentRules>()>;
    /// `rules` is asked for each message: a reload counts at once. It may give nullptr.
    SigningIntake(queue::Intake& inner, Rules rules, env::Workers& workers, const env::Clock& clock)
        : inner_(inner), rules_(std::move(rules)), workers_(workers), clock_(clock) {}
    std::expected<std::unique_ptr<queue::IncomingMessage>, queue::QueueError> begin() override;

 private:
    class Message;
    queue::Intake& inner_;
    Rules rules_;
    env::Workers& workers_;
    const env::Clock& clock_;
};

}  // namespace app
