// From what was found of a message to what its author's aggregate report will say. Pure.
#pragma once

#include "dmarc/sighting.hpp"
#include "policy/authentication.hpp"
#include "policy/sender_options.hpp"

#include <optional>

namespace policy {

struct Outcome {
    dmarc::Policy action = dmarc::Policy::None;  // what is done with the message
    SenderCheck check = SenderCheck::Enforce;
};

/// nullopt: the author publishes no address for reports.
std::optional<dmarc::Sighting> dmarc_sighting(const Authentication& found, const SendingClient& client,
                                              Outcome outcome);

}  // namespace policy
