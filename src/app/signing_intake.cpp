#include "app/signing_intake.hpp"

namespace app {

class SigningIntake::Message : public queue::IncomingMessage {
 public:
    Message(std::unique_ptr<queue::IncomingMessage> inner, std::shared_ptr<const policy::ContentRules> rules,
            env::Workers& workers, const env::Clock& clock)
        : inner_(std::move(inner)),
          check_(std::move(rules), policy::ContentCheck::Role::Sign, policy::ContentCheck::Lines::Folded),
          workers_(workers),
          clock_(clock) {}
    const queue::QueueId& id() const override { return inner_->id(); }
    std::uint64_t size() const override { return inner_->size(); }
    void mark(std::string key) override { inner_->mark(std::move(key)); }

    env::Task<std::expected<void, queue::QueueError>> append(std::string_view content) override {
        passed_.clear();
        check_.feed(content, passed_);
        auto done = co_await append_passed();
        co_return done;
    }
    env::Task<std::expected<queue::Receipt, queue::QueueError>> commit(mail::Envelope envelope,
                                                                       std::string prepend) override {
        passed_.clear();
        check_.end(passed_);
        auto done = co_await append_passed();
        if (!done) co_return std::unexpected(done.error());
        prepend += co_await check_.sign(workers_, std::string(), env::unix_time(clock_.wall()));
        auto receipt = co_await inner_->commit(std::move(envelope), std::move(prepend));
        co_return receipt;
    }

 private:
    env::Task<std::expected<void, queue::QueueError>> append_passed() {
        if (passed_.empty()) co_return std::expected<void, queue::QueueError>{};
        auto done = co_await inner_->append(passed_);
        co_return done;
    }
    std::unique_ptr<queue::IncomingMessage> inner_;
    policy::ContentCheck check_;
    std::string passed_;  // what the check hands on
    env::Workers& workers_;
    const env::Clock& clock_;
};

std::expected<std::unique_ptr<queue::IncomingMessage>, queue::QueueError> SigningIntake::begin() {
    auto message = inner_.begin();
    const auto rules = rules_();
    if (!message || !rules || rules->keys.empty()) return message;
    return std::make_unique<Message>(std::move(*message), rules, workers_, clock_);
}

}  // namespace app
