// Sends the aggregate reports of the periods that have ended: builds them from the tally, asks where they may
// go (RFC 9990 §4), and puts them into the queue as mail of ours. What could not be sent for now is tried
// again, with the same Report-ID and file name; a crash between queue and bookkeeping sends the same report
// again, which its receiver can see. Belongs to one loop (the queue's).
#pragma once

#include "env/random.hpp"
#include "env/resolver.hpp"
#include "env/workers.hpp"
#include "queue/own_mail.hpp"
#include "reports/report_mail.hpp"
#include "reports/tally.hpp"

#include <functional>

namespace reports {

class Sender {
 public:
    struct Services {
        env::Loop& loop;
        env::Store& store;
        env::Resolver* resolver;  // nullptr: reports wait
        queue::Intake& intake;
        env::Random& random;
        env::Workers& workers;
        base::EventSink& events;
        Tally& tally;
        /// DKIM-Signature fields for a whole message; "": there is no key for its author.
        std::function<env::Task<std::string>(std::string message)> sign;
        /// Aliases: the author may be one of our own domains. The error is temporary.
        queue::ExpandEnvelope expand;
    };
    Sender(Services services, std::string host_name, std::string product);
    ~Sender();
    void configure(const ReportOptions& options);
    /// Looks for due reports until the loop ends.
    void start();

    struct Waiting {
        Period period;
        std::string domain;
    };
    /// Every report that is not sent yet, the period under way included; oldest first.
    env::Task<std::vector<Waiting>> waiting();
    struct Built {
        DomainTally tally;
        AggregateReport report;
    };
    /// nullopt: it is not there (any more), or the store cannot be read.
    env::Task<std::optional<Built>> build(Waiting which);
    struct Summary {
        std::size_t sent = 0, later = 0, dropped = 0;
    };
    /// Those that are due; `everything`: all of periods that have ended.
    enum class Which { Due, Everything };
    env::Task<Summary> send(Which which);

 private:
    struct State;
    static env::Task<void> run(std::shared_ptr<State> state);
    static env::Task<void> forget_unsent(std::shared_ptr<State> state);
    static env::Task<std::vector<Waiting>> waiting_of(std::shared_ptr<State> state, std::uint64_t before);
    static env::Task<std::optional<Built>> build_one(std::shared_ptr<State> state, Waiting which);
    static env::Task<Summary> send_some(std::shared_ptr<State> state, Which which);
    struct Target;
    struct Progress;
    static env::Task<void> find_targets(std::shared_ptr<State> state, const Built& built, Progress& progress);
    static env::Task<void> send_one(std::shared_ptr<State> state, Waiting which, Summary& summary);
    static env::Task<std::string> enqueue(std::shared_ptr<State> state, const Built& built,
                                          std::string packed, mail::Address to);
    static env::Task<bool> settle(std::shared_ptr<State> state, Waiting which, Built built,
                                  Progress progress);
    std::shared_ptr<State> state_;
};

constexpr std::string_view sent_prefix = "reports/sent/";

}  // namespace reports
