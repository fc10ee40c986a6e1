#include "queue/postmaster.hpp"

#include "base/text.hpp"
#include "mail/date.hpp"
#include "mail/path.hpp"

#include <fmt/format.h>

namespace queue {
namespace {

constexpr auto hour = std::chrono::hours(1);

struct Notice {
    std::string to, id, peer, classes, transcript;
    SessionReport::Side side;
    std::uint64_t untold;
    mail::TimePoint now;
    std::chrono::minutes zone;
};

std::string compose(const Notice& notice, const PostmasterOptions& options) {
    const bool server = notice.side == SessionReport::Side::Server;
    const std::string peer = base::printable(notice.peer, 300);
    std::string out = fmt::format(
        "Date: {}\r\nFrom: Mail Delivery System <MAILER-DAEMON@{}>\r\nTo: <{}>\r\n"
        "Message-ID: <{}.notice@{}>\r\nSubject: {} SMTP {}: errors from {}\r\n"
        "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=us-ascii\r\n\r\n",
        mail::format_date(notice.now, notice.zone), options.host_name, notice.to, notice.id,
        options.host_name, options.mail_name, server ? "server" : "client", peer);
    out += fmt::format("What was said in an SMTP session with {}\r\n(of notify_classes: {}):\r\n\r\n{}\r\n",
                       peer, notice.classes, notice.transcript);
    out += "The log of this machine says more.\r\n";
    if (notice.untold > 0)
        out += fmt::format(
            "\r\nOf {} more sessions since the last notice nothing was mailed "
            "(error_notice_hourly_limit).\r\n",
            notice.untold);
    return out;
}

}  // namespace

struct Postmaster::State {
    Services services;
    PostmasterOptions options;
    env::SteadyTime hour_began{};
    std::uint32_t told = 0;    // in this hour
    std::uint64_t untold = 0;  // since the last notice
    /// What main.cf names without a domain is of $myorigin.
    mail::Address complete(std::string_view text) const {
        const mail::PathOptions any{mail::PathOptions::Utf8::Allow, mail::PathOptions::Form::Tolerant};
        auto out = mail::parse_mailbox(text, any).value_or(mail::Address{"postmaster", ""});
        if (out.domain.empty()) out.domain = options.origin;
        return out;
    }
};

Postmaster::Postmaster(Services services, PostmasterOptions options)
    : state_(std::make_shared<State>(State{std::move(services), std::move(options)})) {}

void Postmaster::configure(PostmasterOptions options) { state_->options = std::move(options); }

void Postmaster::tell(SessionReport report) {
    State& state = *state_;
    const auto now = state.services.loop.clock().steady();
    if (state.hour_began == env::SteadyTime{} || now - state.hour_began >= hour) {
        state.hour_began = now;
        state.told = 0;
    }
    if (state.told >= state.options.notices_per_hour) {
        ++state.untold;
        return;
    }
    ++state.told;
    using mail::ErrorClass;
    const auto wanted = report.classes & mail::parse_error_classes(state.options.notify_classes);
    const bool bounce = wanted.has(ErrorClass::Bounce);
    const bool others = !wanted.without(ErrorClass::Bounce).empty();
    report.classes = wanted;
    const std::uint64_t untold = std::exchange(state.untold, 0);
    if (others) {
        SessionReport copy = report;
        state.services.loop.spawn(write(state_, std::move(copy), state.options.error_recipient, untold));
    }
    if (bounce && (!others || state.options.bounce_recipient != state.options.error_recipient))
        state.services.loop.spawn(write(state_, std::move(report), state.options.bounce_recipient, untold));
}

env::Task<void> Postmaster::write(std::shared_ptr<State> state, SessionReport report, std::string to,
                                  std::uint64_t untold) {
    auto& services = state->services;
    const auto given_up = [&](std::string_view why) {
        services.events.note(base::Severity::Warning, "postmaster",
                             fmt::format("{} cannot be told of a session with {}: {}", to, report.peer, why));
    };
    auto incoming = services.intake.begin();
    if (!incoming) {
        given_up("the queue takes nothing now");
        co_return;
    }
    const std::string id = (*incoming)->id().text();
    const OwnService self{"postmaster", state->options.host_name, state->options.mail_name};
    mail::Envelope envelope = own_envelope(self, state->complete(to));
    envelope.sender = mail::ReversePath(state->complete(state->options.notice_sender));
    Notice notice{envelope.recipients.front().address.text(),
                  id,
                  report.peer,
                  mail::to_text(report.classes),
                  std::move(report.transcript),
                  report.side,
                  untold,
                  services.loop.clock().wall(),
                  {}};
    notice.zone = services.loop.clock().zone_offset(notice.now);
    std::string received = own_received_field(self, envelope, (*incoming)->id(), notice.now, notice.zone);
    const std::string message = compose(notice, state->options);
    auto written = co_await (*incoming)->append(message);
    auto expanded = co_await services.expand(std::move(envelope));
    if (!written || !expanded) {
        given_up(expanded ? "it could not be stored" : expanded.error());
        co_return;
    }
    auto receipt = co_await (*incoming)->commit(std::move(*expanded), std::move(received));
    if (receipt)
        services.events.note(
            base::Severity::Info, "postmaster",
            fmt::format("{}: transcript of a session with {} to {}", id, report.peer, notice.to));
    else
        given_up("it could not be stored");
}

}  // namespace queue
