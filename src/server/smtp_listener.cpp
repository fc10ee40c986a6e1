#include "server/smtp_listener.hpp"

#include <fmt/format.h>

namespace server {

SmtpListener::SmtpListener(SmtpServices services, std::shared_ptr<const SmtpService> service,
                           ConnectionCount& count)
    : services_(services), service_(std::move(service)), count_(count) {}

void SmtpListener::start(std::unique_ptr<env::Listener> listener) {
    listener_ = std::move(listener);
    services_.loop.spawn(accept_loop());
}

void SmtpListener::stop() {
    stopping_ = true;
    if (listener_) listener_->close();
    const auto open = open_;
    for (auto* connection : open) connection->ask_to_stop();
}

env::Task<void> SmtpListener::accept_loop() {
    constexpr auto pause_after_error =
        std::chrono::milliseconds(100);  // out of descriptors, mostly: let some close
    while (!stopping_) {
        auto stream = co_await listener_->accept();
        if (stopping_) break;
        if (!stream) {
            co_await services_.loop.sleep(pause_after_error);
            continue;
        }
        services_.loop.spawn(serve(std::move(*stream)));
    }
}

env::Task<void> SmtpListener::serve(std::unique_ptr<env::Stream> stream) {
    if (++count_.open > service_->limits.connections_max) {
        const std::string text =
            fmt::format("421 4.7.0 {} Error: too many connections\r\n", service_->options->host_name);
        co_await stream->write(text, services_.loop.clock().steady() + std::chrono::seconds(1));
        stream->close();
    } else {
        SmtpConnection connection(services_, service_, std::move(stream));
        open_.insert(&connection);
        co_await connection.run();
        open_.erase(&connection);
    }
    --count_.open;
}

}  // namespace server
