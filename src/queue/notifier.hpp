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

#include <functional>
#include <string>
#include <vector>

namespace queue {

struct NotifierOptions {
    std::string host_name, origin;
    std::string mail_name = "Postrider";
    std::uint64_t bounce_size_limit = 50000;
    std::vector<std::string> notify_classes;
    std::string bounce_recipient, double_bounce_recipient, delay_recipient, double_bounce_sender;
    bool threaded = false;
    mail::BounceTemplates templates =
        mail::built_in_bounce_templates();  // bounce_template_file, names filled in
    static constexpr void describe(auto& parameter) {
        using O = NotifierOptions;
        using base::Default;
        parameter("myhostname", &O::host_name, Default{"$myhostname"}, "This machine's full name.");
        parameter("myorigin", &O::origin, Default{"$myhostname"},
                  "The domain of addresses given without one; a file name means the file's first line.");
        parameter("mail_name", &O::mail_name, Default{"Postrider"},
                  "The name of the mail system in Received: and notifications.");
        parameter("bounce_size_limit", &O::bounce_size_limit, base::Between{1, 1000000000},
                  "Of larger messages only the header is returned in a notification.");
        parameter(
            "notify_classes", &O::notify_classes, Default{"resource, software"},
            "Of what the postmaster gets a copy: bounce (headers of returned mail), 2bounce "
            "(notifications that could not be delivered), delay (headers of late mail); and the "
            "transcripts of SMTP sessions with trouble of the kinds bounce (no such user, too large), data "
            "(a table that could not be read), policy (refused), protocol (commands and replies that do "
            "not fit), resource (no room), software. Credentials never stand in a transcript.");
        parameter("bounce_notice_recipient", &O::bounce_recipient, Default{"postmaster"},
                  "Who gets the copies and transcripts of class bounce.");
        parameter("2bounce_notice_recipient", &O::double_bounce_recipient, Default{"postmaster"},
                  "Who gets undeliverable notifications (class 2bounce).");
        parameter("delay_notice_recipient", &O::delay_recipient, Default{"postmaster"},
                  "Who gets the copies of class delay.");
        parameter(
            "double_bounce_sender", &O::double_bounce_sender, Default{"double-bounce"},
            "The sender of the postmaster's copies; mail to it is discarded, so that nothing goes round.");
        parameter("enable_threaded_bounces", &O::threaded, Default{"no"},
                  "Put notifications into the original's thread (References:, In-Reply-To:).");
    }
};

class Notifier {
 public:
    struct Services {
        env::Loop& loop;
        env::Store& store;
        env::Random& random;
        Intake& intake;
        base::EventSink& events;
        /// As for any new message: aliases of whom a notification goes to.
        std::function<env::Task<std::expected<mail::Envelope, std::string>>(mail::Envelope)> expand;
    };
    Notifier(Services services, NotifierOptions options)
        : services_(std::move(services)), options_(std::move(options)) {}
    /// From the next notification on.
    void configure(NotifierOptions options) { options_ = std::move(options); }
    struct Notice {
        mail::DsnAction kind = mail::DsnAction::Failed;
        QueueId about;
        std::shared_ptr<const EnvelopeRecord> record;
        std::vector<mail::DsnRecipient> recipients;
        std::optional<env::WallTime> retry_until;  // of a delay
    };
    /// Tells the sender, and the postmaster as notify_classes says. True when it is in the queue, or nobody
    /// must be told. False: try again later.
    env::Task<bool> send(Notice notice);

 private:
    enum class Return { Full, Headers };
    env::Task<bool> tell(Notice notice, mail::DsnInput::For whom, mail::ReversePath from, std::string to,
                         Return returned);
    env::Task<bool> tell_postmaster(Notice notice, std::string to, Return returned);
    mail::Address complete(std::string_view text) const;
    bool has_class(std::string_view name) const;
    const mail::BounceTemplate& words(mail::DsnAction kind) const;
    Services services_;
    NotifierOptions options_;
};

}  // namespace queue
