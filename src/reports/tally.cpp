#include "reports/tally.hpp"

#include "reports/report_json.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace reports {

using nlohmann::json;

namespace {

constexpr std::string_view current_key = "reports/out/current";

PublishedPolicy published(const dmarc::Sighting& sighting) {
    const auto& record = sighting.record;
    PublishedPolicy out;
    out.domain = sighting.policy_domain;
    out.discovery_method = "treewalk";
    out.p = dmarc::to_text(record.for_domain());
    out.sp = dmarc::to_text(record.for_subdomain());
    out.np = dmarc::to_text(record.for_missing_subdomain());
    out.adkim = record.adkim == dmarc::Alignment::Strict ? "s" : "r";
    out.aspf = record.aspf == dmarc::Alignment::Strict ? "s" : "r";
    out.fo = record.failure_options;
    out.testing = record.testing ? "y" : "n";
    return out;
}

AggregateRow row_of(dmarc::Sighting& sighting) {
    AggregateRow out;
    out.source_ip = std::move(sighting.source_ip);
    out.disposition = std::move(sighting.disposition);
    out.dkim = sighting.dkim_aligned ? "pass" : "fail";
    out.spf = sighting.spf_aligned ? "pass" : "fail";
    for (auto& reason : sighting.reasons)
        out.reasons.push_back({std::move(reason.type), std::move(reason.comment)});
    out.header_from = std::move(sighting.header_from);
    out.envelope_from = std::move(sighting.envelope_from);
    for (auto& one : sighting.signatures)
        out.dkim_results.push_back(
            {std::move(one.domain), std::move(one.selector), std::move(one.result), std::move(one.note)});
    out.spf_results.push_back({std::move(sighting.spf_domain), "mfrom", std::move(sighting.spf_result),
                               std::move(sighting.spf_note)});
    return out;
}

json address_json(const std::vector<dmarc::ReportUri>& addresses) {
    json out = json::array();
    for (const auto& uri : addresses) {
        json one = json::object();
        one["address"] = uri.address;
        one["size_max"] = uri.size_max;
        out.push_back(std::move(one));
    }
    return out;
}

std::string encode(const Period& period, std::uint64_t domains) {
    json out = json::object();
    out["end"] = period.end;
    out["domains"] = domains;
    return dump(out);
}

std::string encode_current(const Period& period) {
    json out = json::object();
    out["begin"] = period.begin;
    out["end"] = period.end;
    return dump(out);
}

}  // namespace

std::string time_key(std::uint64_t unix_time) { return fmt::format("{:012}", unix_time); }
std::string period_key(std::uint64_t begin) { return std::string(period_prefix) + time_key(begin); }
std::string domain_prefix(std::uint64_t begin) {
    return std::string(all_domains_prefix) + time_key(begin) + "/";
}
std::string domain_key(std::uint64_t begin, std::string_view domain) {
    return domain_prefix(begin) + std::string(domain);
}
std::string row_prefix(std::uint64_t begin, std::string_view domain) {
    return std::string(all_rows_prefix) + time_key(begin) + "/" + std::string(domain) + std::string("\0", 1);
}
std::string prefix_end(std::string prefix) {
    ++prefix.back();
    return prefix;
}

std::string encode(const DomainTally& tally) {
    json out = json::object();
    out["policy"] = to_json(tally.policy);
    out["addresses"] = address_json(tally.addresses);
    out["rows"] = tally.rows;
    out["dropped"] = tally.dropped;
    out["tries"] = tally.tries;
    out["next_try"] = tally.next_try;
    out["done"] = tally.done;
    return dump(out);
}

DomainTally decode_domain(std::string_view text) {
    DomainTally out;
    const auto value = parse_object(text);
    if (!value) return out;
    if (const auto found = value->find("policy"); found != value->end())
        out.policy = policy_from_json(*found);
    if (const auto found = value->find("addresses"); found != value->end() && found->is_array())
        for (const auto& one : *found)
            out.addresses.push_back({text_in(one, "address"), number_in(one, "size_max")});
    out.rows = number_in(*value, "rows");
    out.dropped = number_in(*value, "dropped");
    out.tries = number_in(*value, "tries");
    out.next_try = number_in(*value, "next_try");
    if (const auto found = value->find("done"); found != value->end() && found->is_array())
        for (const auto& one : *found)
            if (one.is_string()) out.done.push_back(one.get<std::string>());
    return out;
}

Period decode_period(std::string_view key, std::string_view value) {
    Period out;
    key.remove_prefix(std::min(key.size(), period_prefix.size()));
    out.begin = base::parse_number(key).value_or(0);
    const auto object = parse_object(value);
    out.end = object ? number_in(*object, "end") : 0;
    return out;
}

/// What came for one domain since the last write.
struct Tally::Fresh {
    DomainTally newest;  // policy and addresses as the last message found them
    std::map<std::string, std::uint64_t> rows;
    std::uint64_t dropped = 0;
};

struct Tally::State {
    State(env::Loop& the_loop, env::Store& the_store, base::EventSink& sink, Limits the_limits)
        : loop(the_loop), store(the_store), events(sink), limits(the_limits), idle(the_loop) {}

    using Pending = std::map<std::pair<Period, std::string>, Fresh>;

    /// What could not be written: kept for the next try, beside what came meanwhile.
    void take_back(Pending taken) {
        for (auto& [where, old] : taken) {
            auto& domain = pending[where];
            if (domain.newest.policy.domain.empty()) domain.newest = std::move(old.newest);
            for (auto& [tuple, count] : old.rows) {
                auto& counter = domain.rows[tuple];
                if (counter == 0) ++pending_rows;
                counter += count;
            }
            domain.dropped += old.dropped;
        }
    }

    void advance() {
        const std::uint64_t now = env::unix_time(loop.clock().wall());
        constexpr std::uint64_t astray = 2 * 86400;  // the clock was wrong, and has been set right
        if (current.begin > now + astray) current = {};
        if (now < current.end) return;
        const auto length = static_cast<std::uint64_t>(options.interval.count());
        const std::uint64_t aligned = now / length * length;
        current = {std::max(aligned, current.end), aligned + length};
    }

    env::Loop& loop;
    env::Store& store;
    base::EventSink& events;
    Limits limits;
    ReportOptions options;
    Period current;
    Pending pending;
    std::size_t pending_rows = 0;
    bool writer_runs = false, writing = false, failing = false;
    env::Event idle;  // no write is under way
};

Tally::Tally(env::Loop& loop, env::Store& store, base::EventSink& events, Limits limits)
    : state_(std::make_shared<State>(loop, store, events, limits)) {}
Tally::~Tally() = default;

void Tally::configure(const ReportOptions& options) { state_->options = options; }

Period Tally::current() {
    state_->advance();  // perhaps no mail came since midnight
    return state_->current;
}

env::Task<bool> Tally::load() {
    const auto state = state_;
    const std::string key(current_key);
    auto text = co_await state->store.read(env::Keyspace::History, key);
    if (!text) co_return false;
    if (*text)
        if (const auto value = parse_object(**text))
            state->current = {number_in(*value, "begin"), number_in(*value, "end")};
    state->advance();
    co_return true;
}

void Tally::record(dmarc::Sighting sighting) {
    auto& state = *state_;
    state.advance();
    const std::pair where{state.current, sighting.policy_domain};
    // While the store fails, memory stays bounded: a domain that is not waiting yet is lost.
    const bool full = state.pending_rows >= state.limits.pending_max;
    if (full && !state.pending.contains(where)) return;
    auto& domain = state.pending[where];
    domain.newest.policy = published(sighting);
    domain.newest.addresses = std::move(sighting.record.rua);
    const std::string tuple = dump(to_json(row_of(sighting)));
    const auto found = domain.rows.find(tuple);
    if (found != domain.rows.end()) {
        ++found->second;
    } else if (!full) {
        domain.rows.emplace(tuple, 1);
        ++state.pending_rows;
    } else {
        ++domain.dropped;
    }
    if (state.writer_runs) return;
    state.writer_runs = true;
    state.loop.spawn(write_soon(state_));
}

env::Task<void> Tally::write_soon(std::shared_ptr<State> state) {
    constexpr auto pause_when_failing = std::chrono::seconds(10);
    while (!state->pending.empty()) {
        const env::Duration pause =
            state->failing ? env::Duration(pause_when_failing) : env::Duration(state->limits.write_after);
        co_await state->loop.sleep(pause);
        co_await write(state);
    }
    state->writer_runs = false;
}

/// One write: what goes into the store together.
struct Tally::Trip {
    env::Batch batch;
    std::map<Period, std::uint64_t> new_domains;  // beside those the store knows
    std::size_t lost_domains = 0;
};

/// One domain's counters as they become: what is in the store, and what was pending. False: the store failed.
env::Task<bool> Tally::merge(std::shared_ptr<State> state, Period period, std::string name,
                             const Fresh& fresh, Trip& trip) {
    const std::string key = domain_key(period.begin, name);
    auto known = co_await state->store.read(env::Keyspace::History, key);
    if (!known) co_return false;
    DomainTally tally = *known ? decode_domain(**known) : DomainTally{};
    if (!*known) {
        const std::string of_period = period_key(period.begin);
        auto text = co_await state->store.read(env::Keyspace::History, of_period);
        if (!text) co_return false;
        const auto object = *text ? parse_object(**text) : std::nullopt;
        const std::uint64_t before = object ? number_in(*object, "domains") : 0;
        if (before + trip.new_domains[period] >= state->options.domains_max) {
            ++trip.lost_domains;
            co_return true;
        }
        const std::uint64_t count = before + ++trip.new_domains[period];
        trip.batch.put(env::Keyspace::History, of_period, encode(period, count));
        trip.batch.put(env::Keyspace::History, std::string(current_key), encode_current(state->current));
    }
    tally.policy = fresh.newest.policy;
    tally.addresses = fresh.newest.addresses;
    tally.dropped += fresh.dropped;
    for (const auto& [tuple, count] : fresh.rows) {
        const std::string row = row_prefix(period.begin, name) + tuple;
        auto old = co_await state->store.read(env::Keyspace::History, row);
        if (!old) co_return false;
        if (!*old && tally.rows >= state->options.rows_max) {
            tally.dropped += count;
            continue;
        }
        if (!*old) ++tally.rows;
        const std::uint64_t before = *old ? base::parse_number(**old).value_or(0) : 0;
        trip.batch.put(env::Keyspace::History, row, std::to_string(before + count));
    }
    trip.batch.put(env::Keyspace::History, key, encode(tally));
    co_return true;
}

env::Task<bool> Tally::write(std::shared_ptr<State> state) {
    while (state->writing) co_await state->idle.wait();
    state->writing = true;
    auto taken = std::exchange(state->pending, {});
    state->pending_rows = 0;
    bool ok = true;
    Trip trip;
    for (const auto& [where, fresh] : taken) {
        ok = co_await merge(state, where.first, where.second, fresh, trip);
        if (!ok) break;
    }
    if (ok && !trip.batch.empty()) {
        auto done = co_await state->store.commit(std::move(trip.batch), env::Durability::Buffered);
        ok = done.has_value();
    }
    if (!ok) state->take_back(std::move(taken));
    if (!ok && !state->failing)
        state->events.note(base::Severity::Warning, "reports",
                           "the counts for DMARC reports cannot be written now");
    if (trip.lost_domains > 0)
        state->events.note(base::Severity::Warning, "reports",
                           fmt::format("{} domains are not reported to: dmarc_report_domain_limit is reached",
                                       trip.lost_domains));
    state->failing = !ok;
    state->writing = false;
    state->idle.notify_all();
    co_return ok;
}

env::Task<bool> Tally::flush() {
    const auto state = state_;
    bool ok = true;
    while (ok && (state->writing || !state->pending.empty())) ok = co_await write(state);
    co_return ok;
}

env::Task<bool> Tally::cut() {
    const auto state = state_;
    const bool flushed = co_await flush();
    if (!flushed) co_return false;
    // Nothing is pending, and nothing can come before the next suspension: what comes then is the new
    // period's.
    state->advance();
    const std::uint64_t now = env::unix_time(state->loop.clock().wall());
    const Period old = state->current;
    const Period ended{old.begin, std::min(std::max(now, old.begin + 1), old.end)};
    state->current = {ended.end, std::max(old.end, ended.end + 1)};
    const std::string key = period_key(ended.begin);
    auto text = co_await state->store.read(env::Keyspace::History, key);
    if (!text) co_return false;
    const auto object = *text ? parse_object(**text) : std::nullopt;
    if (!object) co_return true;  // nothing to report
    env::Batch batch;
    batch.put(env::Keyspace::History, key, encode(ended, number_in(*object, "domains")));
    batch.put(env::Keyspace::History, std::string(current_key), encode_current(state->current));
    auto done = co_await state->store.commit(std::move(batch), env::Durability::Buffered);
    co_return done.has_value();
}

}  // namespace reports
