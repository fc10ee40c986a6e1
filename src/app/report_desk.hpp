// Everything about reports in the running server: what the network loops saw is counted, reports go out,
// those that come are read; and what `postrider reports` asks. Belongs to the queue's loop. Knows only env/.
#pragma once

#include "app/front.hpp"
#include "dmarc/sighting.hpp"
#include "reports/inbox.hpp"
#include "reports/sender.hpp"
#include "server/control_server.hpp"

#include <memory>

namespace app {

/// What is wrong with, or missing from, the settings of reports.
void judge_reports(const Site& site, env::FileSystem& files, config::Diagnostics& diagnostics);

class ReportDesk {
 public:
    ReportDesk(LoopEnvironment environment, queue::Intake& intake, const std::string& host_name,
               queue::ExpandEnvelope expand);
    /// Before start(), and for each reload. Error: what the administrator must mend.
    std::expected<void, std::string> use(const Site& site);
    /// Reads where the counting was, and report mail that was not read yet; before the queue starts. False:
    /// the store cannot be read.
    env::Task<bool> load();
    void start();
    void sighted(dmarc::Sighting sighting);
    /// Report mail is read before it goes `onward` into the queue, everything else goes at once.
    template <class Onward>
    void arrived(queue::Arrival arrival, Onward onward) {
        if (arrival.marked)
            inbox_.take(std::move(arrival), onward);
        else
            onward(std::move(arrival));
    }
    /// The last counts are written.
    env::Task<bool> stop() { return tally_.flush(); }
    void add_control_handlers(server::ControlServer& control);

    reports::Sender& sender() { return sender_; }
    reports::Tally& tally() { return tally_; }
    env::Store& store() { return environment_.store; }

 private:
    LoopEnvironment environment_;
    reports::ReportOptions options_;
    std::shared_ptr<const policy::ContentRules> signing_;
    reports::Tally tally_;
    reports::Sender sender_;
    reports::Inbox inbox_;
};

}  // namespace app
