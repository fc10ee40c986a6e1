// The queue manager's side: routing, transports, the notifier, the queue itself, on one loop. Knows only
// env/.
#pragma once

#include "app/front.hpp"
#include "app/message_rules.hpp"
#include "app/signing_intake.hpp"
#include "delivery/agent.hpp"
#include "delivery/local_transport.hpp"
#include "delivery/simple_transports.hpp"
#include "delivery/smtp_client.hpp"
#include "delivery/virtual_transport.hpp"
#include "queue/postmaster.hpp"
#include "queue/queue_manager.hpp"

namespace app {

class Back {
 public:
    Back(LoopEnvironment environment, delivery::Agent& agent, queue::QueueIdSource ids,
         queue::IntakeOptions intake);
    ~Back();
    /// Before start(), and for each reload.
    std::expected<void, std::string> use(const Site& site, const std::set<env::IpAddress>& own_addresses);
    queue::QueueManager& manager() { return *manager_; }
    /// For messages that do not come over the network (pickup).
    queue::Intake& intake() { return intake_; }
    /// Our own messages that carry a mark go to `reader` instead of the queue, which hands them on.
    void read_first(std::function<void(queue::Arrival)> reader) { reader_ = std::move(reader); }
    env::Task<std::expected<mail::Envelope, std::string>> expand(mail::Envelope envelope);
    /// The same for messages of this machine's own users, as receive_override_options of pickup says.
    env::Task<std::expected<mail::Envelope, std::string>> expand_submitted(mail::Envelope envelope);
    std::unique_ptr<policy::MessageFilter> make_filter();
    /// After use().
    queue::Postmaster& postmaster() { return *postmaster_; }

 private:
    struct Generation;
    class CurrentRouter;
    LoopEnvironment environment_;
    delivery::Agent& agent_;
    std::uint64_t epoch_;
    queue::StoreIntake intake_;
    SigningIntake signing_intake_;                          // for our own notifications
    std::vector<std::unique_ptr<Generation>> generations_;  // older ones may have deliveries under way
    std::unique_ptr<CurrentRouter> router_;
    std::unique_ptr<queue::Notifier> notifier_;
    std::unique_ptr<queue::Postmaster> postmaster_;
    std::unique_ptr<queue::QueueManager> manager_;
    std::function<void(queue::Arrival)> reader_;
};

}  // namespace app
