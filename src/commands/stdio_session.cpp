#include "commands/stdio_session.hpp"

#include "app/machine.hpp"
#include "base/text.hpp"
#include "commands/real_world.hpp"
#include "commands/verb.hpp"
#include "config/bind.hpp"
#include "mail/header.hpp"
#include "mail/path.hpp"
#include "platform/system.hpp"
#include "routing/routing.hpp"
#include "smtp/dot_decoder.hpp"
#include "smtp/line_decoder.hpp"
#include "smtp/server_session.hpp"

#include <cerrno>
#include <fmt/format.h>
#include <unistd.h>

namespace commands {
namespace {

class StdioDriver {
 public:
    StdioDriver(const app::Site& site, const std::function<std::string(const queue::DroppedMessage&)>& keep)
        : keep_(keep) {
        config::Diagnostics ignored;
        options_ = std::make_shared<const smtp::ServerOptions>(
            config::bind<smtp::ServerOptions>(*site.configuration, ignored));
    }

    int run() {
        smtp::ServerSession session(options_, smtp::TlsOffer::No);
        smtp::LineDecoder lines(options_->line_length_limit);
        smtp::Step step = session.greet({});
        using Next = smtp::Step::Next;
        for (;;) {
            if (!say(step.output)) return exit_failed;
            switch (step.next) {
                case Next::Close:
                    return exit_ok;
                case Next::Judge:
                    step = session.on_verdict({});
                    break;
                case Next::Begin:
                    message_ = {};
                    step = session.on_begun(std::nullopt);
                    break;
                case Next::ReadData:
                    if (!read_data()) return exit_failed;
                    step = session.on_content(summary());
                    break;
                case Next::ReadChunk:
                case Next::SkipChunk:
                    if (!read_chunk(step.chunk_octets, step.next == Next::ReadChunk)) return exit_failed;
                    step = session.on_content(summary());
                    break;
                case Next::Commit: {
                    message_.envelope = session.take_envelope();
                    const auto problem = keep_(message_);
                    if (!problem.empty()) fmt::print(stderr, "sendmail: {}\n", problem);
                    step = problem.empty() ? session.on_committed("maildrop")
                                           : session.on_commit_failed(smtp::CommitFailure::Store);
                    break;
                }
                case Next::FlushSite:
                    step = session.on_site_flushed(smtp::ServerSession::SiteFlush::Failed);
                    break;
                case Next::StartTls:
                case Next::Xclient:
                case Next::CheckPassword:
                case Next::LookUpVerifier:
                    return exit_software;  // never offered
                case Next::Read: {
                    const auto got = lines.next(std::string_view(input_).substr(used_));
                    used_ += got.consumed;
                    if (got.kind == smtp::LineDecoder::Kind::Line)
                        step = session.on_line(got.line, false, false);
                    else if (got.kind == smtp::LineDecoder::Kind::TooLong)
                        step = session.on_line_too_long();
                    else {
                        if (!fill()) return exit_ok;
                        step = {};
                    }
                }
            }
        }
    }

 private:
    static bool say(std::string_view text) { return platform::write_all(1, text); }
    bool fill() {
        input_.resize(64 * 1024);
        used_ = 0;
        ssize_t got = 0;
        do {
            got = ::read(0, input_.data(), input_.size());
        } while (got < 0 && errno == EINTR);
        input_.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        return got > 0;
    }
    void take(std::string_view piece) {
        const auto limit = options_->message_size_limit;
        octets_ += piece.size();
        if (limit == 0 || octets_ <= limit) message_.content += piece;
    }
    bool read_data() {
        smtp::DotDecoder dots;
        octets_ = 0;
        for (;;) {
            if (used_ >= input_.size() && !fill()) return false;
            std::string piece;
            const auto got = dots.decode(std::string_view(input_).substr(used_), piece);
            used_ += got.consumed;
            take(piece);
            if (got.finished) return true;
        }
    }
    bool read_chunk(std::uint64_t octets, bool keep) {
        if (message_.content.empty()) octets_ = 0;
        while (octets > 0) {
            if (used_ >= input_.size() && !fill()) return false;
            const auto piece = std::string_view(input_).substr(
                used_, static_cast<std::size_t>(std::min<std::uint64_t>(octets, input_.size() - used_)));
            used_ += piece.size();
            octets -= piece.size();
            if (keep) take(piece);
        }
        return true;
    }
    smtp::ContentSummary summary() const {
        mail::HeaderScanner scanner;
        scanner.feed(message_.content);
        scanner.finish();
        smtp::ContentSummary out;
        out.size = octets_;
        out.hops = scanner.received_count();
        return out;
    }
    std::shared_ptr<const smtp::ServerOptions> options_;
    const std::function<std::string(const queue::DroppedMessage&)>& keep_;
    queue::DroppedMessage message_;
    std::string input_;
    std::size_t used_ = 0;
    std::uint64_t octets_ = 0;
};

/// What is said while tables are opened goes to standard error.
class StderrEvents : public base::EventSink {
 public:
    void emit(base::Event event) override {
        if (const auto* note = std::get_if<base::Note>(&event))
            fmt::print(stderr, "sendmail: {}\n", note->text);
    }
};

env::Task<int> verify(routing::Routing& routing, std::vector<std::string> recipients) {
    int status = exit_ok;
    const mail::PathOptions any{mail::PathOptions::Utf8::Allow, mail::PathOptions::Form::Tolerant};
    for (const auto& text : recipients) {
        const auto address = mail::parse_mailbox(text, any);
        if (!address) {
            fmt::print("{}... not an address\n", base::printable(text, 300));
            status = exit_no_user;
            continue;
        }
        auto listing = co_await routing.recipient_listing(*address);
        if (listing && !listing->listed) {
            fmt::print("{}... undeliverable: {}\n", text, listing->refusal.line());
            status = exit_no_user;
            continue;
        }
        mail::Envelope envelope;
        mail::Recipient recipient;
        recipient.address = recipient.original = *address;
        envelope.recipients.push_back(std::move(recipient));
        auto expanded = co_await routing.expand(std::move(envelope));
        if (!expanded) {
            fmt::print("{}... {}\n", text, expanded.error());
            status = exit_temporary;
            continue;
        }
        for (const auto& target : expanded->recipients) {
            const mail::ReversePath nobody;
            auto route = co_await routing.route(nobody, target.address);
            if (route) {
                fmt::print("{}... deliverable: {} through {}:{}\n", text, target.address.text(),
                           route->transport, route->next_hop);
            } else {
                fmt::print("{}... undeliverable: {} {}\n", text, route.error().status.text(),
                           route.error().text);
                status = exit_no_user;
            }
        }
    }
    co_return status;
}

}  // namespace

int stdio_session(const app::Site& site,
                  const std::function<std::string(const queue::DroppedMessage&)>& keep) {
    return StdioDriver(site, keep).run();
}

int verify_recipients(const app::Site& site, const std::vector<std::string>& recipients) {
    RealWorld world;
    platform::PosixFileSystem files;
    platform::PosixUsers users;
    StderrEvents events;
    tables::Factory factory(tables::TableServices{files, world.clock, users, events});
    config::Diagnostics ignored;
    auto routing =
        routing::Routing::make(config::bind<routing::RoutingOptions>(*site.configuration, ignored),
                               routing::Routing::Services{factory, files, app::own_addresses(), world.clock});
    if (!routing) {
        fmt::print(stderr, "sendmail: fatal: {}\n", routing.error());
        return exit_configuration;
    }
    return world.run(verify(**routing, recipients));
}

}  // namespace commands
