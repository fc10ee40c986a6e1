#include "app/queued_message_json.hpp"

namespace app {

using nlohmann::json;

json queued_message_json(const queue::QueuedMessage& message) {
    json recipients = json::array();
    for (const auto& recipient : message.recipients)
        recipients.push_back({{"address", recipient.address},
                              {"original", recipient.original},
                              {"dsn_original", recipient.dsn_original},
                              {"delay_reason", recipient.reason},
                              {"greylisted", recipient.greylisted}});
    const auto& origin = message.origin;
    return {{"queue_name", to_text(message.state)},
            {"queue_id", message.id.text()},
            {"arrival_time", env::unix_time(message.arrived)},
            {"message_size", message.size},
            {"forced_expire", message.forced_expire},
            {"sender", message.sender},
            {"recipients", std::move(recipients)},
            {"next_attempt", env::unix_time(message.next_attempt)},
            {"smtputf8", message.smtputf8},
            {"client_name", origin.client_name},
            {"client_address", origin.client_address},
            {"client_port", origin.client_port},
            {"helo_name", origin.helo},
            {"protocol_name", origin.protocol},
            {"sasl_method", origin.sasl_method},
            {"sasl_username", origin.sasl_username}};
}

}  // namespace app
