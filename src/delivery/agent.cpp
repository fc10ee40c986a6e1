#include "delivery/agent.hpp"

namespace delivery {

queue::RecipientResult recipient_result(AgentResult done, std::string relay) {
    using Kind = queue::RecipientResult::Kind;
    queue::RecipientResult out;
    out.relay = std::move(relay);
    out.status = done.status;
    out.text = std::move(done.text);
    out.kind = out.status.is_success()     ? Kind::Delivered
               : out.status.is_permanent() ? Kind::Failed
                                           : Kind::Deferred;
    return out;
}

}  // namespace delivery
