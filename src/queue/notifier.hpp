// Writes notifications (RFC 3464) into the queue: undeliverable, late, delivered as asked. Never one about a
// notification. Belongs to the queue manager's loop.
#pragma once

#include "base/event.hpp"
#include "base/parameter.hpp"
#include "env/loop.hpp"
#include "env/random.hpp"
#include "env/store.hpp"
#include "mail/dsn.hpp"
#include "queue/intake.hpp"
#include "queue/record.hpp"

#include <string>
#include <vector>

namespace queue {

struct NotifierOptions {
    std::string host_name;
    std::string mail_name = "Postrider";
    std::uint64_t bounce_size_limit = 50000;
    static constexpr void describe(auto& parameter) {
        parameter("myhostname", &NotifierOptions::host_name, base::Default{"$myhostname"},
                  "This machine's full name.");
        parameter("mail_name", &NotifierOptions::mail_name, base::Default{"Postrider"},
                  "The name of the mail system in Received: and notifications.");
        parameter("bounce_size_limit", &NotifierOptions::bounce_size_limit, base::Between{1, 1000000000},
                  "Of larger messages only the header is returned in a notification.");
    }
};

class Notifier {
 public:
    Notifier(env::Loop& loop, env::Store& store, env::Random& random, Intake& intake, base::EventSink& events,
             NotifierOptions options)
        : loop_(loop),
          store_(store),
          random_(random),
          intake_(intake),
          events_(events),
          options_(std::move(options)) {}
    /// True when it is in the queue, or must not be sent at all (null sender). False: try again later.
    env::Task<bool> send(mail::DsnAction kind, QueueId about, std::shared_ptr<const EnvelopeRecord> record,
                         std::vector<mail::DsnRecipient> recipients,
                         std::optional<env::WallTime> retry_until);

 private:
    env::Loop& loop_;
    env::Store& store_;
    env::Random& random_;
    Intake& intake_;
    base::EventSink& events_;
    NotifierOptions options_;
};

}  // namespace queue
