// Notices to the postmaster with the transcript of an SMTP session in which something went wrong
// (notify_classes). So many an hour; of the others their number is told. Belongs to the queue manager's loop.
#pragma once

#include "base/event.hpp"
#include "base/parameter.hpp"
#include "env/loop.hpp"
#include "mail/address.hpp"
#include "mail/envelope.hpp"
#include "queue/intake.hpp"
#include "queue/own_mail.hpp"
#include "queue/session_report.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace queue {

struct PostmasterOptions {
    std::string host_name, origin, mail_name;
    std::string error_recipient, bounce_recipient, notice_sender;
    std::vector<std::string> notify_classes;
    std::uint32_t notices_per_hour = 20;
    static constexpr void describe(auto& parameter) {
        using O = PostmasterOptions;
        using base::Default;
        parameter("myhostname", &O::host_name, Default{"$myhostname"}, "");
        parameter("myorigin", &O::origin, Default{"$myhostname"}, "");
        parameter("mail_name", &O::mail_name, Default{"Postrider"}, "");
        parameter("notify_classes", &O::notify_classes, Default{"resource, software"}, "");
        parameter("error_notice_recipient", &O::error_recipient, Default{"postmaster"},
                  "Who gets the transcripts of the classes data, policy, protocol, resource and software.");
        parameter("bounce_notice_recipient", &O::bounce_recipient, Default{"postmaster"}, "");
        parameter("double_bounce_sender", &O::notice_sender, Default{"double-bounce"}, "");
        parameter("error_notice_hourly_limit", &O::notices_per_hour, base::Between{0, 100000},
                  "The most transcripts mailed in an hour; the next one tells how many more there would have "
                  "been. 0: none is mailed.");
    }
    SessionReporting reporting() const {
        return {mail::parse_error_classes(notify_classes), notice_sender, {}};
    }
};

class Postmaster {
 public:
    struct Services {
        env::Loop& loop;
        Intake& intake;
        base::EventSink& events;
        ExpandEnvelope expand;
    };
    Postmaster(Services services, PostmasterOptions options);
    /// From the next notice on.
    void configure(PostmasterOptions options);
    /// At once; what cannot be queued is given up, and the log says so.
    void tell(SessionReport report);

 private:
    struct State;
    static env::Task<void> write(std::shared_ptr<State> state, SessionReport report, std::string to,
                                 std::uint64_t untold);
    std::shared_ptr<State> state_;
};

}  // namespace queue
