#include "reports/inbox.hpp"

#include "env/store_pages.hpp"
#include "mail/authentication_results.hpp"
#include "queue/store_content.hpp"
#include "reports/report_json.hpp"
#include "reports/sender.hpp"

#include <algorithm>
#include <deque>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace reports {

using nlohmann::json;

namespace {

constexpr std::string_view unread_prefix = "reports/unread/", octets_key = "reports/in-octets";
constexpr std::uint64_t day_seconds = 86400;

/// What DMARC said of the mail itself; "": it was not verified here.
std::string own_finding(std::string_view message, std::string_view authserv_id) {
    if (authserv_id.empty()) return {};
    // Ours stands above everything a stranger could write.
    const std::string value = field_value(header_block_of(message), "Authentication-Results");
    const auto id = mail::authserv_id_of(value);
    if (!id || !base::iequals(*id, authserv_id)) return {};
    const auto found = mail::results_for(mail::results_of(value), "dmarc");
    return found.empty() ? std::string() : found.front();
}

/// The worker's errand: the reports as history lines, each with its place in time. Owns all it touches.
struct ReadTrip {
    std::string message, authserv_id, queue_id;
    std::uint64_t now = 0;

    /// Neither from tomorrow, which would never be forgotten, nor without a date.
    std::uint64_t place(std::uint64_t said) const {
        return said == 0 || said > now + day_seconds ? now : said;
    }

    struct Result {
        std::vector<std::string> lines;  // "TIME/TYPE/WHICH\n" and the JSON
        std::vector<std::string> problems;
        std::string from;
    };

    Result operator()() const {
        const auto found = extract_reports(message);
        Result out;
        out.problems = found.problems;
        out.from = found.from;
        const std::string finding = own_finding(message, authserv_id);
        for (const auto& report : found.reports) {
            json line = to_json(report);
            std::string which;
            std::uint64_t at = now;
            if (const auto* aggregate = std::get_if<AggregateReport>(&report)) {
                at = place(aggregate->end);
                // The same report a second time is recognised; another sender's is not the same.
                which = aggregate->policy.domain + "/" + aggregate->org_name + "/" + aggregate->report_id +
                        "/" + found.from;
            } else if (const auto* tls = std::get_if<TlsReport>(&report)) {
                at = place(tls->end);
                which = tls->organization + "/" + tls->report_id + "/" + found.from;
            } else {
                which = fmt::format("{}.{}", queue_id, out.lines.size());
            }
            line["received"] = now;
            line["queue_id"] = queue_id;
            line["mail_from"] = found.from;
            line["mail_dmarc"] = finding.empty() ? "unchecked" : finding;
            const std::string type = text_in(line, "type");
            out.lines.push_back(fmt::format("{}/{}/{}\n{}", time_key(at), type, which, dump(line)));
        }
        return out;
    }
};

}  // namespace

std::string unread_key(const queue::QueueId& id) { return std::string(unread_prefix) + id.text(); }

struct Inbox::State {
    explicit State(Services the_services) : services(the_services) {}
    void note(base::Severity severity, std::string text) {
        services.events.note(severity, "reports", std::move(text));
    }
    std::uint64_t now() const { return env::unix_time(services.loop.clock().wall()); }
    /// The history's first second.
    std::uint64_t oldest() const {
        return now() - std::min(now(), static_cast<std::uint64_t>(options.history.count()));
    }
    Services services;
    ReportOptions options;
    std::string authserv_id;
    struct Job {
        queue::Arrival arrival;
        std::function<void(queue::Arrival)> onward;
    };
    std::deque<Job> jobs;
    bool working = false, started = false;
};

Inbox::Inbox(Services services) : state_(std::make_shared<State>(services)) {}
Inbox::~Inbox() = default;

void Inbox::configure(const ReportOptions& options, std::string authserv_id) {
    state_->options = options;
    state_->authserv_id = std::move(authserv_id);
}

void Inbox::take(queue::Arrival arrival, std::function<void(queue::Arrival)> onward) {
    constexpr std::size_t waiting_max = 1000;
    if (state_->jobs.size() >= waiting_max) {
        // A flood: the mail goes on, its mark stays until the next start, when the mail may be gone.
        state_->note(base::Severity::Warning,
                     fmt::format("{}: not read as a report: too many are waiting", arrival.id.text()));
        return onward(std::move(arrival));
    }
    state_->jobs.push_back({std::move(arrival), std::move(onward)});
    if (std::exchange(state_->working, true)) return;
    state_->services.loop.spawn(work(state_));
}

env::Task<void> Inbox::work(std::shared_ptr<State> state) {
    while (!state->jobs.empty()) {
        State::Job job = std::move(state->jobs.front());
        state->jobs.pop_front();
        co_await read(state, job.arrival.id, job.arrival.record);
        job.onward(std::move(job.arrival));
    }
    state->working = false;
}

env::Task<void> Inbox::catch_up() {
    const auto state = state_;
    constexpr std::size_t page = 100;
    const std::string first(unread_prefix), last = prefix_end(first);
    env::StorePages pages(state->services.store, env::Keyspace::History, first, last, page);
    while (pages.more()) {
        auto marks = co_await pages.next();
        if (!marks) co_return;
        for (const auto& mark : *marks) {
            // First the mark goes: a mail that ends the program must not do so at each start.
            env::Batch seen;
            seen.erase(env::Keyspace::History, mark.key);
            auto erased = co_await state->services.store.commit(std::move(seen), env::Durability::Synced);
            if (!erased) co_return;
            const auto id = queue::QueueId::parse(std::string_view(mark.key).substr(first.size()));
            if (!id) continue;
            const std::string key = queue::envelope_key(*id);
            auto text = co_await state->services.store.read(env::Keyspace::Envelopes, key);
            if (!text || !*text) continue;  // the message was deleted meanwhile
            auto decoded = queue::decode_envelope(**text);
            if (!decoded) continue;
            co_await read(state, *id, std::make_shared<const queue::EnvelopeRecord>(std::move(*decoded)));
        }
    }
}

env::Task<void> Inbox::read(std::shared_ptr<State> state, queue::QueueId id,
                            std::shared_ptr<const queue::EnvelopeRecord> record) {
    ReadTrip trip;
    bool readable = record->size <= state->options.mail_octets_max;
    if (!readable)
        state->note(base::Severity::Warning,
                    fmt::format("{}: not read as a report: {} octets are more than dmarc_report_mail_limit",
                                id.text(), record->size));
    queue::StoreContent content(state->services.store, id, *record);
    while (readable) {
        auto piece = co_await content.next();
        if (!piece) {
            state->note(base::Severity::Warning,
                        fmt::format("{}: not read as a report: {}", id.text(), piece.error()));
            readable = false;
        } else if (piece->empty()) {
            break;
        } else {
            trip.message += *piece;
        }
    }
    std::vector<std::string> lines;
    if (readable) {
        trip.authserv_id = state->authserv_id;
        trip.queue_id = id.text();
        trip.now = state->now();
        auto result = co_await state->services.workers.run(std::move(trip));
        for (const auto& problem : result.problems)
            state->note(base::Severity::Info,
                        fmt::format("{}: report mail from {}: {}", id.text(), result.from, problem));
        lines = std::move(result.lines);
    }
    co_await keep(state, std::move(id), std::move(lines));
}

env::Task<void> Inbox::keep(std::shared_ptr<State> state, queue::QueueId id, std::vector<std::string> lines) {
    auto& store = state->services.store;
    env::Batch batch;
    batch.erase(env::Keyspace::History, unread_key(id));
    const std::string total_key(octets_key);
    auto total = co_await store.read(env::Keyspace::History, total_key);
    std::uint64_t octets = total && *total ? base::parse_number(**total).value_or(0) : 0;
    std::size_t kept = 0, known = 0, old_ones = 0;
    const std::string oldest = time_key(state->oldest());
    for (const auto& line : lines) {
        if (line < oldest) {
            ++old_ones;
            continue;
        }
        const auto key_end = line.find('\n');
        const std::string key = std::string(received_prefix) + line.substr(0, key_end);
        auto old = co_await store.read(env::Keyspace::History, key);
        if (old && *old) {
            ++known;
            continue;
        }
        ++kept;
        octets += line.size();
        batch.put(env::Keyspace::History, key, line.substr(key_end + 1));
    }
    if (kept > 0) batch.put(env::Keyspace::History, total_key, std::to_string(octets));
    auto done = co_await store.commit(std::move(batch), env::Durability::Buffered);
    if (!done)
        state->note(
            base::Severity::Warning,
            fmt::format("{}: its reports cannot be written now; they are read at the next start", id.text()));
    else if (!lines.empty())
        state->note(base::Severity::Info,
                    fmt::format("{}: reports={} known={} too-old={}", id.text(), kept, known, old_ones));
    if (octets > state->options.history_octets_max) co_await trim(state);
}

/// Erases what is older than the history reaches, then the oldest until the rest fits.
env::Task<void> Inbox::trim(std::shared_ptr<State> state) {
    auto& store = state->services.store;
    constexpr std::size_t page = 100;
    constexpr std::uint64_t sent_days_max = 60;  // of reports we sent: many small lines
    const std::uint64_t now = state->now(), oldest = state->oldest();
    const std::string first(received_prefix), last = prefix_end(first), total_key(octets_key);
    auto total = co_await store.read(env::Keyspace::History, total_key);
    if (!total) co_return;
    std::uint64_t octets = *total ? base::parse_number(**total).value_or(0) : 0;
    for (bool more = true; more;) {
        auto entries = co_await store.scan(env::Keyspace::History, first, last, page);
        if (!entries) co_return;
        env::Batch batch;
        for (const auto& entry : *entries) {
            const auto at =
                base::parse_number(std::string_view(entry.key).substr(first.size(), time_key(0).size()));
            if (at.value_or(0) >= oldest && octets <= state->options.history_octets_max) break;
            batch.erase(env::Keyspace::History, entry.key);
            octets -=
                std::min<std::uint64_t>(octets, entry.key.size() - first.size() + 1 + entry.value.size());
        }
        more = entries->size() == page && batch.erases().size() == page;
        if (batch.empty()) break;
        if (!more && batch.erases().size() == entries->size()) octets = 0;  // nothing is left
        batch.put(env::Keyspace::History, total_key, std::to_string(octets));
        auto done = co_await store.commit(std::move(batch), env::Durability::Buffered);
        if (!done) co_return;
    }
    env::Batch sent;
    const std::uint64_t sent_since = std::max(oldest, now - std::min(now, sent_days_max * day_seconds));
    sent.erase_range(env::Keyspace::History, std::string(sent_prefix),
                     std::string(sent_prefix) + time_key(sent_since));
    auto done = co_await store.commit(std::move(sent), env::Durability::Buffered);
    static_cast<void>(done);  // tried again in an hour
}

void Inbox::start() {
    if (std::exchange(state_->started, true)) return;
    state_->services.loop.spawn(trim_hourly(state_));
}

env::Task<void> Inbox::trim_hourly(std::shared_ptr<State> state) {
    constexpr auto interval = std::chrono::hours(1);
    for (;;) {
        co_await trim(state);
        co_await state->services.loop.sleep(interval);
    }
}

env::Task<void> Inbox::forget_old() { return trim(state_); }

}  // namespace reports
