#include "server/smtp_connection.hpp"

#include "base/text.hpp"
#include "config/values.hpp"
#include "smtp/reject_footer.hpp"

#include <fmt/format.h>

namespace server {
namespace {

constexpr std::size_t input_kept_max = 1024;  // capacity an idle connection may keep

}  // namespace

smtp::CommitFailure SmtpConnection::to_failure(queue::QueueError error) {
    switch (error) {
        case queue::QueueError::NoSpace:
            return smtp::CommitFailure::NoSpace;
        case queue::QueueError::Store:
            return smtp::CommitFailure::Store;
        case queue::QueueError::Closing:
            return smtp::CommitFailure::Closing;
    }
    return smtp::CommitFailure::Store;
}

SmtpConnection::SmtpConnection(SmtpServices services, std::shared_ptr<const SmtpService> service,
                               std::unique_ptr<env::Stream> stream)
    : services_(services),
      service_(std::move(service)),
      stream_(std::move(stream)),
      client_(stream_->peer()),
      server_(stream_->local()),
      session_(service_->options, service_->tls ? service_->tls_offer : smtp::TlsOffer::No),
      lines_(service_->auth
                 ? std::max(service_->options->line_length_limit, service_->options->auth_response_limit)
                 : service_->options->line_length_limit) {
    if (!service_->reporting.wanted.empty() && services_.report)
        record_ = std::make_unique<SessionRecord>(service_->reporting.notice_sender);
}

env::SteadyTime SmtpConnection::deadline() const {
    return services_.loop.clock().steady() + service_->options->timeout;
}
std::string SmtpConnection::who() const {
    return fmt::format("{}[{}]", client_name_, client_.address.text());
}
void SmtpConnection::note(base::Severity severity, std::string text) {
    services_.events.note(severity, service_->name, std::move(text));
}

void SmtpConnection::lost(std::string_view how) {
    if (closed_) return;
    closed_ = true;
    note(base::Severity::Info, fmt::format("{} after {} from {}", how, session_.last_command(), who()));
}

/// Limits and exceptions of the client that client_ names. The text: it is over a limit.
env::Task<std::optional<std::string>> SmtpConnection::begin_client() {
    const bool unlimited = co_await service_->without_limits(client_.address);
    limited_ = !unlimited;
    const bool bare_allowed = co_await service_->bare_newline_allowed(client_.address);
    if (bare_allowed) session_.allow_bare_newline();
    const bool trusted = co_await service_->may_xclient(client_.address);
    session_.allow_xclient(trusted);
    const bool passes_on = co_await service_->may_xforward(client_.address);
    session_.allow_xforward(passes_on);
    if (service_->auth) {
        const bool exempt = co_await service_->without_auth(client_.address);
        if (!exempt) offer_auth();
    }
    co_await apply_address_maps();
    services_.events.emit(
        base::ClientConnected{service_->name, client_name_, client_.address.text(), client_.port});
    if (!limited_) co_return std::nullopt;
    auto over = services_.limits.count(client_.address, ClientLimits::Kind::Connection, service_->limits,
                                       services_.loop.clock().steady());
    if (!over) co_return over;
    note(base::Severity::Warning, fmt::format("{} for service {}", *over, service_->name));
    co_return fmt::format("421 4.7.0 {} Error: too many connections from {}\r\n",
                          service_->options->host_name, client_.address.text());
}

/// What is not offered to this client in particular.
env::Task<void> SmtpConnection::apply_address_maps() {
    const auto& maps = service_->discard_ehlo_keyword_maps;
    if (maps.empty()) co_return;
    auto found = co_await maps.lookup(client_.address.text());
    if (!found)
        note(base::Severity::Warning, "smtpd_discard_ehlo_keyword_address_maps: " + found.error().text);
    if (found && *found) session_.discard_ehlo_keywords(config::split_list(**found));
}

env::Task<void> SmtpConnection::run() {
    if (service_->options->upstream_proxy == smtp::UpstreamProxy::Haproxy) {
        const bool known = co_await read_proxy_header();
        if (!known) {
            stream_->close();
            co_return;
        }
    }
    co_await look_up_name();
    auto refusal = co_await begin_client();
    if (refusal) {
        output_ = std::move(*refusal);
        if (record_) record_->replies(output_, SessionRecord::During::Commands);
        co_await flush();
    } else {
        try {
            co_await converse();
        } catch (const std::exception& bug) {
            note(base::Severity::Error, fmt::format("internal error with {}: {}", who(), bug.what()));
            output_ = fmt::format("421 4.3.0 {} Internal error\r\n", service_->options->host_name);
        }
        co_await flush();
    }
    report_session();
    constexpr auto goodbye_step = std::chrono::milliseconds(20);
    while (saying_goodbye_) co_await services_.loop.sleep(goodbye_step);
    if (limited_) services_.limits.disconnected(client_.address);
    co_await stream_->shutdown(services_.loop.clock().steady() + std::chrono::seconds(1));
    stream_->close();
    services_.events.emit(
        base::ClientDisconnected{service_->name, client_name_, client_.address.text(), session_.counts()});
}

/// The policy's word on the client, and the greeting.
env::Task<smtp::Step> SmtpConnection::meet() {
    const policy::Verdict verdict = co_await ask_judge(policy::Stage::Connect);
    if (!verdict.accepted()) reject_event(smtp::Stage::Connect, verdict);
    co_return session_.greet(to_judged(verdict));
}

env::Task<void> SmtpConnection::converse() {
    if (service_->tls_from_start) {
        const bool shaken = co_await handshake();
        if (!shaken) co_return;
        session_.on_tls(channel_bindings());
    }
    smtp::Step step = co_await meet();
    record_replies(step, smtp::Step::Next::Read, smtp::Stage::Connect);
    while (!closed_) {
        if (step.delay.count() > 0) {
            const bool sent = co_await flush();
            if (!sent) co_return;
            co_await services_.loop.sleep(step.delay);
        }
        output_ += service_->options->reject_footer.empty() ? step.output : with_reject_footer(step.output);
        if (step.closed_because && !session_.offending_line().empty())
            note(base::Severity::Warning,
                 fmt::format("{} from {}: {}", step.closed_because, who(), session_.offending_line()));
        else if (step.closed_because)
            note(base::Severity::Info,
                 fmt::format("{} after {} from {}", step.closed_because, session_.last_command(), who()));
        if (step.next == smtp::Step::Next::Close) co_return;
        const auto done = step.next;
        const auto stage = step.stage;
        step = co_await act(std::move(step));
        record_replies(step, done, stage);
    }
}

/// What `done` made us say.
void SmtpConnection::record_replies(const smtp::Step& step, smtp::Step::Next done, smtp::Stage stage) {
    using Next = smtp::Step::Next;
    if (!record_) return;
    const bool content = done == Next::Begin || done == Next::ReadData || done == Next::ReadChunk ||
                         done == Next::Commit || (done == Next::Judge && stage == smtp::Stage::EndOfData);
    record_->replies(step.output, content ? SessionRecord::During::Content : SessionRecord::During::Commands);
    if (done == Next::Commit) record_->message_done();
}

/// At its end.
void SmtpConnection::report_session() {
    if (!record_ || (record_->errors() & service_->reporting.wanted).empty()) return;
    services_.report({queue::SessionReport::Side::Server, who(), record_->errors(), record_->text()});
}

std::string SmtpConnection::with_reject_footer(const std::string& replies) const {
    const auto now = services_.loop.clock().wall();
    const std::string date = mail::format_date(now, services_.loop.clock().zone_offset(now));
    const smtp::FooterValues values{{"client", who()},
                                    {"client_address", client_.address.text()},
                                    {"client_name", client_name_},
                                    {"client_port", std::to_string(client_.port)},
                                    {"helo_name", session_.helo()},
                                    {"localtime", date},
                                    {"queue_id", message_ ? message_->id().text() : "NOQUEUE"},
                                    {"sender", session_.sender_text()},
                                    {"server_address", server_.address.text()},
                                    {"server_name", service_->options->host_name},
                                    {"server_port", std::to_string(server_.port)}};
    return smtp::with_footer(replies, smtp::expand_footer(service_->options->reject_footer, values));
}

env::Task<smtp::Step> SmtpConnection::act(smtp::Step step) {
    using Next = smtp::Step::Next;
    smtp::Step out;
    switch (step.next) {
        case Next::Read:
            out = co_await read_command();
            break;
        case Next::Judge:
            out = co_await judge(step.stage);
            break;
        case Next::Begin:
            out = co_await begin();
            break;
        case Next::ReadData:
            out = co_await read_data();
            break;
        case Next::ReadChunk:
            out = co_await read_chunk(step.chunk_octets, true);
            break;
        case Next::SkipChunk:
            out = co_await read_chunk(step.chunk_octets, false);
            break;
        case Next::Commit:
            out = co_await commit();
            break;
        case Next::FlushSite:
            out = co_await flush_site();
            break;
        case Next::StartTls:
            out = co_await start_tls();
            break;
        case Next::CheckPassword:
            out = co_await check_password();
            break;
        case Next::LookUpVerifier:
            out = co_await look_up_verifier();
            break;
        case Next::Xclient:
            out = co_await become_client();
            break;
        case Next::Close:
            break;
    }
    co_return out;
}

env::Task<bool> SmtpConnection::flush() {
    if (output_.empty()) co_return true;
    auto sent = co_await stream_->write(output_, deadline());
    output_.clear();
    if (output_.capacity() > input_kept_max) output_.shrink_to_fit();
    if (!sent) lost(sent.error() == env::IoError::TimedOut ? "timeout" : "lost connection");
    co_return sent.has_value();
}

/// Reads what there is into input_ (which is used up).
env::Task<bool> SmtpConnection::fill() {
    input_.clear();
    used_ = 0;
    if (input_.capacity() > input_kept_max) input_.shrink_to_fit();
    auto ready = co_await stream_->wait_readable(deadline());
    if (ready) {
        auto got = co_await stream_->read_some(services_.scratch, deadline());
        if (got && *got > 0) {
            input_.assign(services_.scratch.data(), *got);
            co_return true;
        }
        if (!got) ready = std::unexpected(got.error());
    }
    if (!ready && ready.error() == env::IoError::TimedOut) {
        output_ += fmt::format("421 4.4.2 {} Error: timeout exceeded\r\n", service_->options->host_name);
        lost("timeout");
    } else {
        lost("lost connection");
    }
    co_return false;
}

/// What smtpd_command_filter makes of a command line.
env::Task<std::string> SmtpConnection::filtered_command(std::string line) {
    auto found = co_await service_->command_filter.lookup(line);
    if (!found) note(base::Severity::Warning, "smtpd_command_filter: " + found.error().text);
    if (found && *found) line = std::move(**found);
    co_return line;
}

env::Task<smtp::Step> SmtpConnection::read_command() {
    for (;;) {
        const auto result = lines_.next(std::string_view(input_).substr(used_));
        used_ += result.consumed;
        if (result.kind == smtp::LineDecoder::Kind::TooLong) co_return session_.on_line_too_long();
        if (result.kind == smtp::LineDecoder::Kind::Line) {
            using Meaning = smtp::Transcript::Meaning;
            if (record_)
                record_->command(result.line, session_.in_auth() ? Meaning::Secret : Meaning::Command);
            const bool anonymous = session_.user().empty();
            std::string_view line = result.line;
            std::string changed;
            if (!service_->command_filter.empty() && !session_.in_auth()) {
                std::string given(line);
                changed = co_await filtered_command(std::move(given));
                line = changed;
            }
            smtp::Step step = session_.on_line(line, used_ < input_.size(), result.bare_newline);
            if (!session_.in_transaction()) message_.reset();  // RSET or EHLO between chunks
            if (anonymous) co_await after_proof();
            co_return step;
        }
        const bool sent = co_await flush();
        if (!sent) co_return smtp::Step{};
        if (stop_asked_ && !session_.in_transaction()) {
            closed_ = true;
            output_ = fmt::format("421 4.3.2 {} Service shutting down, try again later\r\n",
                                  service_->options->host_name);
            co_return smtp::Step{};
        }
        idle_ = !session_.in_transaction();
        const bool more = co_await fill();
        idle_ = false;
        if (!more) co_return smtp::Step{};
    }
}

void SmtpConnection::ask_to_stop() {
    stop_asked_ = true;
    if (idle_) services_.loop.spawn(say_goodbye());
}

env::Task<void> SmtpConnection::say_goodbye() {
    closed_ = saying_goodbye_ = true;
    const std::string text =
        fmt::format("421 4.3.2 {} Service shutting down, try again later\r\n", service_->options->host_name);
    co_await stream_->write(text, services_.loop.clock().steady() + std::chrono::milliseconds(200));
    stream_->close();
    saying_goodbye_ = false;
}

env::Task<smtp::Step> SmtpConnection::begin() {
    auto message = services_.intake.begin();
    if (!message) {
        note(base::Severity::Warning, message.error() == queue::QueueError::NoSpace
                                          ? "not enough free space in the mail queue"
                                          : "the mail queue is not available");
        co_return session_.on_begun(to_failure(message.error()));
    }
    message_ = std::move(*message);
    content_ = std::make_unique<Content>();
    content_->check = co_await make_check();
    co_await note_clients();
    make_filter();
    make_author_reader();
    base::MessageStarted started{service_->name,
                                 message_->id().text(),
                                 client_name_,
                                 client_.address.text(),
                                 session_.auth_method(),
                                 session_.user(),
                                 session_.envelope().origin.sasl_sender};
    if (const auto* said = session_.xforward()) {
        started.original_queue_id = said->queue_id.value_or("");
        if (said->name || said->address) started.original_client = said->client();
    }
    services_.events.emit(std::move(started));
    co_return session_.on_begun(std::nullopt);
}

/// Hands decoded content on; false when there is no use in more (the reason is kept for the reply).
env::Task<bool> SmtpConnection::store(std::string_view piece) {
    content_->size += piece.size();
    if (!content_->header.ended()) content_->header.feed(piece);
    const auto limit = service_->options->message_size_limit;
    if (limit > 0 && content_->size > limit) message_.reset();  // the rest is read and dropped
    if (!message_) co_return false;
    co_await pass_on(piece, LastPiece::No);
    co_return message_ != nullptr;
}

/// Behind the last octet: what checks and filters still hold back.
env::Task<void> SmtpConnection::end_content() {
    content_->header.finish();
    constexpr std::string_view nothing_more;
    if (message_) co_await pass_on(nothing_more, LastPiece::Yes);
}

env::Task<bool> SmtpConnection::append(std::string_view piece) {
    if (piece.empty()) co_return true;
    auto stored = co_await message_->append(piece);
    if (!stored) {
        content_->failure = to_failure(stored.error());
        message_.reset();
    }
    co_return stored.has_value();
}

smtp::ContentSummary SmtpConnection::summary() const {
    smtp::ContentSummary out;
    out.size = content_->size;
    out.hops = content_->header.received_count();
    out.bare_newline = content_->dots.bare_newline_seen();
    out.failure = content_->failure;
    return out;
}

env::Task<smtp::Step> SmtpConnection::read_data() {
    const bool sent = co_await flush();
    if (!sent) co_return smtp::Step{};
    for (;;) {
        if (used_ >= input_.size()) {
            const bool more = co_await fill();
            if (!more) {
                message_.reset();
                co_return smtp::Step{};
            }
        }
        content_->decoded.clear();
        const auto result = content_->dots.decode(std::string_view(input_).substr(used_), content_->decoded);
        used_ += result.consumed;
        if (!content_->decoded.empty()) co_await store(content_->decoded);
        if (!result.finished) continue;
        co_await end_content();
        const auto what = summary();
        smtp::Step step = session_.on_content(what);
        if (step.next != smtp::Step::Next::Judge) {
            message_.reset();
            content_.reset();
            if (what.hops > service_->options->hop_count_limit)
                note(base::Severity::Warning, fmt::format("too many hops in a message from {}", who()));
        }
        co_return step;
    }
}

env::Task<smtp::Step> SmtpConnection::read_chunk(std::uint64_t octets, bool keep) {
    while (octets > 0) {
        if (used_ >= input_.size()) {
            const bool sent = co_await flush();
            bool more = false;
            if (sent) more = co_await fill();
            if (!more) {
                message_.reset();
                co_return smtp::Step{};
            }
        }
        const auto piece = std::string_view(input_).substr(
            used_, static_cast<std::size_t>(std::min<std::uint64_t>(octets, input_.size() - used_)));
        used_ += piece.size();
        octets -= piece.size();
        if (keep) co_await store(piece);
    }
    if (content_ && keep && session_.last_chunk()) co_await end_content();
    const auto what = content_ ? summary() : smtp::ContentSummary{};
    smtp::Step step = session_.on_content(what);
    // A transaction that ended here without going on to the judge is over.
    if (!session_.in_transaction()) {
        message_.reset();
        content_.reset();
    }
    co_return step;
}

}  // namespace server
