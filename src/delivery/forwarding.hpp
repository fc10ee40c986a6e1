// What a stranger's message gets when it leaves here for other machines, through an alias, a .forward file or
// a virtual alias: a reverse path of ours (SRS) and our ARC set (RFC 8617), made anew for each delivery, so
// that a queued message keeps its true sender for notifications. Stands before an smtp transport. Belongs to
// the queue manager's loop.
#pragma once

#include "base/event.hpp"
#include "dkim/crypto.hpp"
#include "env/loop.hpp"
#include "env/workers.hpp"
#include "queue/transport.hpp"
#include "routing/routing.hpp"

#include <memory>
#include <string>

namespace delivery {

/// arc_seal. Immutable; shared.
struct ArcSealing {
    std::string authserv_id, domain, selector;
    dkim::PrivateKey key;
    std::size_t header_octets_max = 102400;  // headers above it are not sealed
};

class ForwardingTransport : public queue::Transport {
 public:
    struct Services {
        env::Loop& loop;
        env::Workers& workers;
        routing::Routing& routing;
        base::EventSink& events;
    };
    /// `sealing` nullptr: nothing is sealed. `name`: the master.cf service, for the log.
    ForwardingTransport(std::string name, std::unique_ptr<queue::Transport> onward, Services services,
                        std::shared_ptr<const ArcSealing> sealing)
        : name_(std::move(name)),
          onward_(std::move(onward)),
          services_(services),
          sealing_(std::move(sealing)) {}
    env::Task<queue::DeliveryReport> deliver(queue::DeliveryRequest request) override;

 private:
    env::Task<std::expected<bool, routing::LookupFailure>> leaves(const queue::DeliveryRequest& request);
    env::Task<std::expected<std::string, std::string>> seal(queue::ContentReader& content);

    std::string name_;
    std::unique_ptr<queue::Transport> onward_;
    Services services_;
    std::shared_ptr<const ArcSealing> sealing_;
};

}  // namespace delivery
