// pickup(8): takes what sendmail(1) left in the maildrop folder into the queue. Woken through a socket that
// anybody on the machine may knock on (what is said there is ignored), and every `poll_interval` all the
// same. Belongs to the queue's loop; files are read on workers.
#pragma once

#include "base/event.hpp"
#include "env/file_system.hpp"
#include "env/loop.hpp"
#include "env/network.hpp"
#include "env/workers.hpp"
#include "mail/received.hpp"
#include "policy/content_check.hpp"
#include "policy/message_filter.hpp"
#include "queue/intake.hpp"
#include "queue/maildrop.hpp"

#include <functional>
#include <memory>
#include <string>

namespace server {

struct PickupOptions {
    std::string folder;
    std::uint64_t file_octets_max = 0;  // message_size_limit and its envelope
    mail::TraceOptions trace;
    std::chrono::seconds poll_interval{10};
    std::shared_ptr<const policy::ContentRules> content;  // what is signed; nullptr: nothing
};

class Pickup {
 public:
    struct Services {
        env::Loop& loop;
        env::Workers& workers;
        env::FileSystem& files;
        queue::Intake& intake;
        base::EventSink& events;
        std::function<env::Task<std::expected<mail::Envelope, std::string>>(mail::Envelope)> expand;
        std::function<std::unique_ptr<policy::MessageFilter>()> make_filter;
    };
    Pickup(Services services, PickupOptions options);
    ~Pickup();
    void start(std::unique_ptr<env::Listener> listener);
    void stop();
    /// From the next message on; on the loop.
    void use(std::shared_ptr<const policy::ContentRules> content);

 private:
    struct State;
    static env::Task<void> listen(std::shared_ptr<State> state);
    static env::Task<void> work(std::shared_ptr<State> state);
    static env::Task<void> scan(std::shared_ptr<State> state);
    static env::Task<bool> take(std::shared_ptr<State> state, std::string name);
    struct Stored {
        bool done = false;
        std::string problem;  // when not done; empty: the store's, and all wait for it
    };
    static env::Task<Stored> store(std::shared_ptr<State> state, queue::IncomingMessage& message,
                                   queue::DroppedMessage dropped, std::uint32_t owner);
    static env::Task<policy::SideEffects> clean(std::shared_ptr<State> state, std::string id,
                                                std::string sender, std::string& content,
                                                std::string& received);
    std::shared_ptr<State> state_;
};

}  // namespace server
