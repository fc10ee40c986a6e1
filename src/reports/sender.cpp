#include "reports/sender.hpp"

#include "dmarc/report_permission.hpp"
#include "env/store_pages.hpp"
#include "mail/path.hpp"
#include "reports/archive.hpp"
#include "reports/inbox.hpp"
#include "reports/report_json.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace reports {

using nlohmann::json;

namespace {

constexpr std::size_t page = 200;  // entries of the store that are read at once

/// Where in the time after its period a domain's report is sent: always the same place, whoever asks.
std::uint64_t spread(std::string_view domain, std::uint64_t begin, std::chrono::seconds over) {
    std::uint64_t hash = 14695981039346656037ULL;  // FNV-1a
    for (const char c : std::string(domain) + time_key(begin))
        hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
    return hash % (static_cast<std::uint64_t>(over.count()) + 1);
}

struct PackTrip {
    AggregateReport report;
    std::string operator()() const { return gzip(to_xml(report)); }
};

}  // namespace

struct Sender::State {
    State(Services the_services, std::string host, std::string the_product)
        : services(std::move(the_services)),
          host_name(std::move(host)),
          product(std::move(the_product)),
          idle(services.loop) {}
    std::uint64_t now() const { return env::unix_time(services.loop.clock().wall()); }
    void note(base::Severity severity, std::string text) {
        services.events.note(severity, "reports", std::move(text));
    }
    Services services;
    std::string host_name, product;
    ReportOptions options;
    bool sending = false, started = false, said_unsigned = false;
    env::Event idle;
};

struct Sender::Target {
    std::string uri;  // as the record has it
    mail::Address to;
    std::uint64_t size_max = 0;
};

/// What became of one report's addresses.
struct Sender::Progress {
    std::vector<Target> targets;
    json outcomes = json::array();  // {"address", "queue_id" or "problem"}
    std::size_t later = 0, queued = 0;
    std::uint64_t octets = 0;
    void refused(const std::string& address, const std::string& why) {
        json one = json::object();
        one["address"] = address;
        one["problem"] = why;
        outcomes.push_back(std::move(one));
    }
};

Sender::Sender(Services services, std::string host_name, std::string product)
    : state_(std::make_shared<State>(std::move(services), std::move(host_name), std::move(product))) {}
Sender::~Sender() = default;

void Sender::configure(const ReportOptions& options) { state_->options = options; }

void Sender::start() {
    if (std::exchange(state_->started, true)) return;
    state_->services.loop.spawn(run(state_));
}

env::Task<void> Sender::run(std::shared_ptr<State> state) {
    constexpr auto look_every = std::chrono::seconds(20);
    for (;;) {
        co_await state->services.loop.sleep(look_every);
        if (state->options.reporting) co_await send_some(state, Which::Due);
        co_await forget_unsent(state);
    }
}

/// What is left of periods long past: reporting was switched off, or the clock was wrong.
env::Task<void> Sender::forget_unsent(std::shared_ptr<State> state) {
    constexpr std::uint64_t grace = 2 * 86400;
    const auto age =
        grace + static_cast<std::uint64_t>((state->options.give_up + state->options.interval).count());
    const std::string until = time_key(state->now() - std::min(state->now(), age));
    const std::string first(period_prefix), last = first + until;
    auto old = co_await state->services.store.scan(env::Keyspace::History, first, last, 1);
    if (!old || old->empty()) co_return;
    env::Batch batch;
    for (const std::string_view prefix : {period_prefix, all_domains_prefix, all_rows_prefix})
        batch.erase_range(env::Keyspace::History, std::string(prefix), std::string(prefix) + until);
    auto erased = co_await state->services.store.commit(std::move(batch), env::Durability::Buffered);
    if (erased)
        state->note(base::Severity::Info,
                    "counts of periods long past, which were not reported, are dropped");
}

env::Task<std::vector<Sender::Waiting>> Sender::waiting() { return waiting_of(state_, UINT64_MAX); }
env::Task<std::optional<Sender::Built>> Sender::build(Waiting which) {
    return build_one(state_, std::move(which));
}
env::Task<Sender::Summary> Sender::send(Which which) { return send_some(state_, which); }

env::Task<std::vector<Sender::Waiting>> Sender::waiting_of(std::shared_ptr<State> state,
                                                           std::uint64_t before) {
    std::vector<Waiting> out;
    auto& store = state->services.store;
    const std::string first(period_prefix), last = prefix_end(first);
    constexpr std::size_t periods_max = 10000;
    auto periods = co_await store.scan(env::Keyspace::History, first, last, periods_max);
    if (!periods) co_return out;
    for (const auto& entry : *periods) {
        const Period period = decode_period(entry.key, entry.value);
        if (period.begin >= before) continue;
        const std::string prefix = domain_prefix(period.begin);
        env::StorePages pages(store, env::Keyspace::History, prefix, prefix_end(prefix), page);
        while (pages.more()) {
            auto domains = co_await pages.next();
            if (!domains) co_return out;
            for (const auto& one : *domains) out.push_back({period, one.key.substr(prefix.size())});
        }
    }
    co_return out;
}

env::Task<std::optional<Sender::Built>> Sender::build_one(std::shared_ptr<State> state, Waiting which) {
    auto& store = state->services.store;
    auto text = co_await store.read(env::Keyspace::History, domain_key(which.period.begin, which.domain));
    if (!text || !*text) co_return std::nullopt;
    Built out;
    out.tally = decode_domain(**text);
    auto& report = out.report;
    const auto& options = state->options;
    report.version = "1.0";
    report.org_name = options.org_name;
    report.email = options.contact;
    report.extra_contact = options.extra_contact;
    report.generator = state->product;
    report.begin = which.period.begin;
    report.end = which.period.end - 1;
    report.report_id = report_id(options.submitter, which.domain, report.begin, report.end);
    report.policy = out.tally.policy;
    const std::string prefix = row_prefix(which.period.begin, which.domain);
    env::StorePages pages(store, env::Keyspace::History, prefix, prefix_end(prefix), page);
    while (pages.more()) {
        auto rows = co_await pages.next();
        if (!rows) co_return std::nullopt;
        for (const auto& entry : *rows) {
            const auto tuple = parse_object(std::string_view(entry.key).substr(prefix.size()));
            if (!tuple) continue;
            AggregateRow row = row_from_json(*tuple);
            row.count = base::parse_number(entry.value).value_or(0);
            report.rows.push_back(std::move(row));
        }
    }
    // The same counters give the same order: a report that is sent again is the same.
    std::ranges::sort(report.rows, [](const auto& a, const auto& b) { return a.count > b.count; });
    if (out.tally.dropped > 0)
        report.errors.push_back(
            fmt::format("{} more messages had too many different sources to list them", out.tally.dropped));
    co_return out;
}

/// RFC 9990 §3.5 and §4: every address that may have it, in the order given.
env::Task<void> Sender::find_targets(std::shared_ptr<State> state, const Built& built, Progress& progress) {
    std::size_t seen = 0;
    for (const auto& uri : built.tally.addresses) {
        if (std::ranges::find(built.tally.done, uri.address) != built.tally.done.end()) continue;
        const auto address = mail::parse_mailbox(uri.address);
        if (!address) {
            progress.refused(uri.address, "it is no address");
            continue;
        }
        if (++seen > state->options.uris_max) {
            progress.refused(uri.address, "dmarc_report_uri_limit is reached");
            continue;
        }
        dmarc::ReportPermission may;
        may.answer = dmarc::ReportPermission::Answer::Later;
        if (state->services.resolver)
            may = co_await dmarc::report_permission(*state->services.resolver, built.report.policy.domain,
                                                    address->domain);
        if (may.answer == dmarc::ReportPermission::Answer::Later) {
            ++progress.later;
        } else if (may.answer == dmarc::ReportPermission::Answer::No) {
            progress.refused(uri.address, may.why);
        } else if (may.instead.empty()) {
            progress.targets.push_back({uri.address, *address, uri.size_max});
        } else {
            for (const auto& other : may.instead)
                if (auto instead = mail::parse_mailbox(other.address);
                    instead && progress.targets.size() < state->options.uris_max)
                    progress.targets.push_back({uri.address, std::move(*instead), other.size_max});
        }
    }
}

/// The queue id; "" when the queue takes nothing now.
env::Task<std::string> Sender::enqueue(std::shared_ptr<State> state, const Built& built, std::string packed,
                                       mail::Address to) {
    auto incoming = state->services.intake.begin();
    if (!incoming) co_return std::string();
    const std::string id = (*incoming)->id().text();
    ReportMail mail;
    mail.from = state->options.sender;
    mail.submitter = state->options.submitter;
    mail.to = to;
    mail.now = state->services.loop.clock().wall();
    mail.zone = state->services.loop.clock().zone_offset(mail.now);
    mail.boundary = fmt::format("{:016x}.{}", state->services.random.next(), id);
    std::string message = compose_report_mail(mail, built.report, packed);
    std::string signature = co_await state->services.sign(message);
    if (signature.empty() && !std::exchange(state->said_unsigned, true))
        state->note(
            base::Severity::Warning,
            fmt::format(
                "reports from {} are not signed, and receivers may drop them: name a key of its domain "
                "in dkim_signing_keys",
                state->options.sender));
    // A report about our own domain may come to the mailbox that is read here.
    if (state->options.is_report_address(to)) (*incoming)->mark(unread_key((*incoming)->id()));
    queue::OwnMail own{{"reports", state->host_name, state->options.mail_name},
                       std::move(to),
                       mail.now,
                       mail.zone,
                       "<" + built.report.report_id + ">",
                       std::move(message),
                       std::move(signature)};
    const bool queued = co_await queue::queue_own_mail(std::move(*incoming), std::move(own),
                                                       state->services.expand, state->services.events);
    if (!queued) co_return std::string();
    co_return id;
}

env::Task<void> Sender::send_one(std::shared_ptr<State> state, Waiting which, Summary& summary) {
    auto built = co_await build_one(state, which);
    if (!built) co_return;
    Progress progress;
    co_await find_targets(state, *built, progress);
    std::string packed;
    if (!progress.targets.empty()) {
        PackTrip pack{built->report};
        packed = co_await state->services.workers.run(std::move(pack));
    }
    progress.octets = packed.size();
    for (const auto& target : progress.targets) {
        const std::string address = target.to.text();
        constexpr std::uint64_t mail_around = 2000;  // header and first part, roughly
        const std::uint64_t octets = packed.size() / 3 * 4 + packed.size() / 57 * 2 + mail_around;
        if (built->report.rows.empty()) continue;
        if (target.size_max > 0 && octets > target.size_max) {
            progress.refused(address, fmt::format("the report has {} octets, more than the {} it takes",
                                                  octets, target.size_max));
            continue;
        }
        const std::string id = co_await enqueue(state, *built, packed, target.to);
        if (id.empty()) {
            ++progress.later;
            continue;
        }
        ++progress.queued;
        built->tally.done.push_back(target.uri);
        json one = json::object();
        one["address"] = address;
        one["queue_id"] = id;
        progress.outcomes.push_back(std::move(one));
        state->note(
            base::Severity::Info,
            fmt::format("{}: report {} to=<{}> domain={} records={} messages={}", id, built->report.report_id,
                        address, which.domain, built->report.rows.size(), built->report.messages()));
    }
    const bool given_up =
        progress.later > 0 &&
        state->now() >= which.period.end + static_cast<std::uint64_t>(state->options.give_up.count());
    if (given_up) {
        progress.refused("", "given up: the DNS or the queue failed for too long");
        progress.later = 0;
    }
    (progress.later > 0 ? summary.later : progress.queued > 0 ? summary.sent : summary.dropped) += 1;
    const bool settled = co_await settle(state, which, std::move(*built), std::move(progress));
    if (!settled)
        state->note(base::Severity::Warning,
                    fmt::format("the report for {} could not be marked as sent", which.domain));
}

/// Done: what was counted goes, what was sent is remembered. Not done: when to try again.
env::Task<bool> Sender::settle(std::shared_ptr<State> state, Waiting which, Built built, Progress progress) {
    const std::uint64_t now = state->now();
    env::Batch batch;
    if (progress.later > 0) {
        ++built.tally.tries;
        built.tally.next_try = now + static_cast<std::uint64_t>(state->options.retry.count());
        batch.put(env::Keyspace::History, domain_key(which.period.begin, which.domain), encode(built.tally));
    } else {
        const std::string rows = row_prefix(which.period.begin, which.domain);
        batch.erase_range(env::Keyspace::History, rows, prefix_end(rows));
        batch.erase(env::Keyspace::History, domain_key(which.period.begin, which.domain));
    }
    if (progress.later == 0 || progress.queued > 0) {
        json out = json::object();
        out["type"] = "sent";
        out["domain"] = which.domain;
        out["report_id"] = built.report.report_id;
        out["begin"] = built.report.begin;
        out["end"] = built.report.end;
        out["time"] = now;
        out["messages"] = built.report.messages();
        out["records"] = built.report.rows.size();
        out["octets"] = progress.octets;
        out["to"] = progress.outcomes;
        batch.put(env::Keyspace::History,
                  fmt::format("{}{}/{}/{}", sent_prefix, time_key(built.report.end), which.domain,
                              built.tally.tries),
                  dump(out));
    }
    auto done = co_await state->services.store.commit(std::move(batch), env::Durability::Synced);
    co_return done.has_value();
}

env::Task<Sender::Summary> Sender::send_some(std::shared_ptr<State> state, Which which) {
    while (state->sending) co_await state->idle.wait();
    state->sending = true;
    Summary out;
    const bool flushed = co_await state->services.tally.flush();
    std::vector<Waiting> all;
    if (flushed) all = co_await waiting_of(state, state->services.tally.current().begin);
    std::map<std::uint64_t, std::size_t> left;  // reports of each ended period
    for (const auto& one : all) {
        const std::uint64_t now = state->now();
        ++left[one.period.begin];
        if (which == Which::Due) {
            if (now < one.period.end + spread(one.domain, one.period.begin, state->options.jitter)) continue;
            auto text = co_await state->services.store.read(env::Keyspace::History,
                                                            domain_key(one.period.begin, one.domain));
            if (!text || !*text || decode_domain(**text).next_try > now) continue;
        }
        const std::size_t before = out.sent + out.dropped;
        co_await send_one(state, one, out);
        if (out.sent + out.dropped > before) --left[one.period.begin];
        // The loop is the queue's: others' turn.
        co_await state->services.loop.sleep(std::chrono::milliseconds(1));
    }
    env::Batch batch;
    for (const auto& [begin, count] : left)
        if (count == 0) batch.erase(env::Keyspace::History, period_key(begin));
    if (!batch.empty()) {
        auto erased = co_await state->services.store.commit(std::move(batch), env::Durability::Buffered);
        static_cast<void>(erased);  // an empty period that stays costs nothing
    }
    state->sending = false;
    state->idle.notify_all();
    co_return out;
}

}  // namespace reports
