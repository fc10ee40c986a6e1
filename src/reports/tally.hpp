// Counting what incoming mail showed, for the reports of its period: one counter for each (policy domain,
// source, results) tuple, in the store. Sightings wait a moment in memory and are written together, unsynced:
// a crash loses a second's counts, never delays a message. Belongs to one loop (the queue's).
#pragma once

#include "base/event.hpp"
#include "dmarc/sighting.hpp"
#include "env/loop.hpp"
#include "env/store.hpp"
#include "reports/aggregate.hpp"
#include "reports/options.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>

namespace reports {

/// Whole seconds since 1970 UTC, the end not included.
struct Period {
    std::uint64_t begin = 0, end = 0;
    auto operator<=>(const Period&) const = default;
};

/// What is known of one domain's report beside its rows.
struct DomainTally {
    PublishedPolicy policy;
    std::vector<dmarc::ReportUri> addresses;
    std::uint64_t rows = 0, dropped = 0;  // dropped: messages beyond the limit
    std::uint64_t tries = 0, next_try = 0;
    std::vector<std::string> done;  // addresses that have it
};

// The store's keys (Keyspace::History). Times are written with twelve digits, so that keys order by time.
std::string time_key(std::uint64_t unix_time);
std::string period_key(std::uint64_t begin);
std::string domain_key(std::uint64_t begin, std::string_view domain);
/// The prefix of a domain's rows; a row's key ends with its tuple as JSON.
std::string row_prefix(std::uint64_t begin, std::string_view domain);
/// The first key behind every key that starts with `prefix`.
std::string prefix_end(std::string prefix);
constexpr std::string_view period_prefix = "reports/out/period/", all_domains_prefix = "reports/out/domain/",
                           all_rows_prefix = "reports/out/row/";
std::string domain_prefix(std::uint64_t begin);

std::string encode(const DomainTally& tally);
/// Tolerant: what cannot be read is empty.
DomainTally decode_domain(std::string_view text);
Period decode_period(std::string_view key, std::string_view value);

class Tally {
 public:
    struct Limits {
        std::size_t pending_max = 50'000;  // tuples in memory; more are counted as dropped
        std::chrono::milliseconds write_after{500};
    };
    Tally(env::Loop& loop, env::Store& store, base::EventSink& events)
        : Tally(loop, store, events, Limits{}) {}
    Tally(env::Loop& loop, env::Store& store, base::EventSink& events, Limits limits);
    ~Tally();
    /// Start and reload.
    void configure(const ReportOptions& options);
    /// Before the first record(): which period is under way.
    env::Task<bool> load();
    void record(dmarc::Sighting sighting);
    /// Done when all that was recorded is in the store; false: it could not be written now.
    env::Task<bool> flush();
    /// Ends the period under way now (flushed), so that it can be reported at once.
    env::Task<bool> cut();
    /// The period that counts now.
    Period current();

 private:
    struct State;
    struct Fresh;
    struct Trip;
    static env::Task<bool> merge(std::shared_ptr<State> state, Period period, std::string name,
                                 const Fresh& fresh, Trip& trip);
    static env::Task<void> write_soon(std::shared_ptr<State> state);
    static env::Task<bool> write(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
};

}  // namespace reports
