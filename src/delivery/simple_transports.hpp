// discard and error: transports that deliver nothing, on purpose.
#pragma once

#include "base/text.hpp"
#include "queue/transport.hpp"

namespace delivery {

/// discard(8): takes everything and keeps nothing; the next hop is the reason.
class DiscardTransport : public queue::Transport {
 public:
    env::Task<queue::DeliveryReport> deliver(queue::DeliveryRequest request) override {
        queue::RecipientResult result;
        result.kind = queue::RecipientResult::Kind::Delivered;
        result.status = {2, 0, 0};
        result.text = request.next_hop.empty() ? "discarded" : base::printable(request.next_hop, 300);
        queue::DeliveryReport report;
        report.recipients.assign(request.recipients.size(), result);
        co_return report;
    }
};

}  // namespace delivery
