// The accept loop of one listener on one loop: makes connections, keeps count, stops gracefully. A reload
// gives it a new service; connections keep the one they began with. Belongs to its loop.
#pragma once

#include "server/smtp_connection.hpp"

#include <memory>
#include <set>

namespace server {

/// Of the whole process, for postrider_connection_limit.
struct ConnectionCount {
    std::atomic<std::uint32_t> open{0};
};

class SmtpListener {
 public:
    SmtpListener(SmtpServices services, std::shared_ptr<const SmtpService> service, ConnectionCount& count);
    void start(std::unique_ptr<env::Listener> listener);
    void set_service(std::shared_ptr<const SmtpService> service) { service_ = std::move(service); }
    /// No new connections; idle ones are told, others finish their transaction.
    void stop();
    std::size_t connections() const { return open_.size(); }

 private:
    env::Task<void> accept_loop();
    env::Task<void> serve(std::unique_ptr<env::Stream> stream);
    SmtpServices services_;
    std::shared_ptr<const SmtpService> service_;
    ConnectionCount& count_;
    std::unique_ptr<env::Listener> listener_;
    std::set<SmtpConnection*> open_;
    bool stopping_ = false;
};

}  // namespace server
