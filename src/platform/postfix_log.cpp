#include "platform/postfix_log.hpp"

#include "base/text.hpp"

#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace platform {
namespace {

constexpr std::size_t field_max = 320;  // an address, a host name
constexpr std::size_t text_max = 1200;  // a reply

std::string clean(std::string_view text, std::size_t max = field_max) { return base::printable(text, max); }

std::string client(std::string_view name, std::string_view address) {
    return fmt::format("{}[{}]", clean(name), clean(address));
}

// Postfix's delay_logging_resolution_limit=2: two significant digits below a hundred, none above.
std::string delay(double seconds) {
    if (seconds < 0) seconds = 0;
    if (seconds >= 100) return fmt::format("{:.0f}", seconds);
    if (seconds >= 10) return fmt::format("{:.0f}", seconds);
    if (seconds >= 1) return fmt::format("{:.1f}", seconds);
    if (seconds < 0.005) return "0";
    if (seconds < 0.1) {
        std::string out = fmt::format("{:.2f}", seconds);
        return out == "0.00" ? "0" : out;
    }
    return fmt::format("{:.2f}", seconds);
}

std::string_view outcome(base::DeliveryOutcome outcome) {
    switch (outcome) {
        case base::DeliveryOutcome::Sent:
            return "sent";
        case base::DeliveryOutcome::Deferred:
            return "deferred";
        case base::DeliveryOutcome::Bounced:
            return "bounced";
        case base::DeliveryOutcome::Expanded:
            return "sent";
        case base::DeliveryOutcome::Relayed:
            return "sent";
    }
    return "";
}

struct Format {
    LogLine operator()(const base::Note& e) const {
        static constexpr std::string_view marks[] = {"", "", "", "warning: ", "error: ", "fatal: "};
        return {e.service, std::string(marks[static_cast<std::size_t>(e.severity)]) + clean(e.text, text_max),
                e.severity};
    }
    LogLine operator()(const base::ClientConnected& e) const {
        return {e.service, "connect from " + client(e.name, e.address), base::Severity::Info};
    }
    LogLine operator()(const base::ClientDisconnected& e) const {
        return {e.service,
                fmt::format("disconnect from {} {}", client(e.name, e.address), clean(e.counts, text_max)),
                base::Severity::Info};
    }
    LogLine operator()(const base::Rejected& e) const {
        std::string out = fmt::format("{}: {}: {} from {}: {};", e.queue_id.empty() ? "NOQUEUE" : e.queue_id,
                                      e.action, e.stage, client(e.name, e.address), clean(e.reply, text_max));
        if (e.stage != "CONNECT" && e.stage != "HELO") {
            out += fmt::format(" from=<{}>", clean(e.sender));
            if (!e.recipient.empty()) out += fmt::format(" to=<{}>", clean(e.recipient));
        }
        if (!e.protocol.empty()) out += fmt::format(" proto={}", e.protocol);
        if (!e.helo.empty()) out += fmt::format(" helo=<{}>", clean(e.helo));
        if (!e.sasl_username.empty()) out += fmt::format(" sasl_username=<{}>", clean(e.sasl_username));
        return {e.service, out, base::Severity::Info};
    }
    LogLine operator()(const base::MessageStarted& e) const {
        std::string out = fmt::format("{}: client={}", e.queue_id, client(e.name, e.address));
        if (!e.sasl_method.empty()) out += ", sasl_method=" + clean(e.sasl_method);
        if (!e.sasl_username.empty()) out += ", sasl_username=" + clean(e.sasl_username);
        if (!e.sasl_sender.empty()) out += ", sasl_sender=" + clean(e.sasl_sender);
        if (!e.original_queue_id.empty()) out += ", orig_queue_id=" + clean(e.original_queue_id);
        if (!e.original_client.empty()) out += ", orig_client=" + clean(e.original_client);
        return {e.service, out, base::Severity::Info};
    }
    LogLine operator()(const base::MessageContents& e) const {
        return {
            "cleanup",
            fmt::format("{}: message-id={}", e.queue_id, e.message_id.empty() ? "<>" : clean(e.message_id)),
            base::Severity::Info};
    }
    LogLine operator()(const base::MessageActive& e) const {
        return {"qmgr",
                fmt::format("{}: from=<{}>, size={}, nrcpt={} (queue active)", e.queue_id, clean(e.sender),
                            e.size, e.recipients),
                base::Severity::Info};
    }
    LogLine operator()(const base::DeliveryAttempt& e) const {
        std::string out = fmt::format("{}: to=<{}>,", e.queue_id, clean(e.recipient));
        if (!e.original_recipient.empty() && e.original_recipient != e.recipient)
            out += fmt::format(" orig_to=<{}>,", clean(e.original_recipient));
        out += fmt::format(" relay={},", clean(e.relay));
        if (e.connection_uses > 1) out += fmt::format(" conn_use={},", e.connection_uses);
        out += fmt::format(" delay={}, delays={}/{}/{}/{}, dsn={}, status={} ({})", delay(e.delay),
                           delay(e.delays[0]), delay(e.delays[1]), delay(e.delays[2]), delay(e.delays[3]),
                           e.dsn, outcome(e.outcome), clean(e.text, text_max));
        return {e.service, out, base::Severity::Info};
    }
    LogLine operator()(const base::MessageRemoved& e) const {
        return {"qmgr", e.queue_id + ": removed", base::Severity::Info};
    }
    LogLine operator()(const base::MessageExpired& e) const {
        return {"qmgr",
                fmt::format("{}: from=<{}>, status=expired, returned to sender", e.queue_id, clean(e.sender)),
                base::Severity::Info};
    }
    LogLine operator()(const base::NotificationSent& e) const {
        return {"bounce", fmt::format("{}: {} notification: {}", e.queue_id, e.kind, e.notification_id),
                base::Severity::Info};
    }
    LogLine operator()(const base::TlsEstablished& e) const {
        return {
            e.service,
            fmt::format("{} TLS connection established {} {}: {} with cipher {} ({}/{} bits){}{}", e.trust,
                        e.outbound ? "to" : "from", client(e.name, e.address), e.protocol, e.cipher,
                        e.cipher_bits, e.algorithm_bits, e.details.empty() ? "" : " ", e.details),
            base::Severity::Info};
    }
};

}  // namespace

LogLine postfix_line(const base::Event& event) { return std::visit(Format{}, event); }

std::string traditional_line(const LogLine& line, env::WallTime at, std::chrono::minutes zone,
                             std::string_view host, std::string_view syslog_name, int process) {
    using namespace std::chrono;
    constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const auto local = floor<seconds>(at) + zone;
    const auto day = floor<days>(local);
    const year_month_day date{day};
    const hh_mm_ss time{local - day};
    return fmt::format("{} {:2} {:02}:{:02}:{:02} {} {}{}{}[{}]: {}\n",
                       months[static_cast<unsigned>(date.month()) - 1], static_cast<unsigned>(date.day()),
                       time.hours().count(), time.minutes().count(), time.seconds().count(), host,
                       syslog_name, line.service.empty() ? "" : "/", line.service, process, line.text);
}

std::string json_line(const base::Event& event, env::WallTime at) {
    const LogLine line = postfix_line(event);
    nlohmann::json out{{"time", std::chrono::duration<double>(at.time_since_epoch()).count()},
                       {"service", line.service},
                       {"text", line.text}};
    if (const auto* e = std::get_if<base::DeliveryAttempt>(&event)) {
        out["event"] = "delivery";
        out["queue_id"] = e->queue_id;
        out["recipient"] = base::printable(e->recipient);
        out["status"] = outcome(e->outcome);
        out["dsn"] = e->dsn;
        out["relay"] = base::printable(e->relay);
        out["delay"] = e->delay;
    } else if (const auto* rejected = std::get_if<base::Rejected>(&event)) {
        out["event"] = rejected->action;
        out["stage"] = rejected->stage;
        out["client"] = rejected->address;
        out["reply"] = base::printable(rejected->reply);
    }
    return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace platform
