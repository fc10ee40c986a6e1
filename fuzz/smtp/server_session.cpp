// The server session driven by hostile lines, verdicts and contents: it always knows what comes next, replies
// are well-formed, and no octet of a peer makes a second reply line.
#include "smtp/server_session.hpp"

#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace {

void require(bool what) {
    if (!what) std::abort();
}

// "code text CRLF", any number of times; text without control characters.
void check_replies(std::string_view output) {
    while (!output.empty()) {
        const auto end = output.find("\r\n");
        require(end != std::string_view::npos && end >= 4);
        const auto line = output.substr(0, end);
        for (int i = 0; i < 3; ++i)
            require(line[static_cast<std::size_t>(i)] >= '0' && line[static_cast<std::size_t>(i)] <= '9');
        require(line[3] == ' ' || line[3] == '-');
        for (const char c : line) require(c != '\r' && c != '\n' && c != '\0');
        output.remove_prefix(end + 2);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view input(reinterpret_cast<const char*>(data), size);
    const auto octet = [&]() -> unsigned {
        if (input.empty()) return 0;
        const auto out = static_cast<unsigned char>(input.front());
        input.remove_prefix(1);
        return out;
    };
    auto options = std::make_shared<smtp::ServerOptions>();
    options->host_name = "mail.example.com";
    options->banner = "mail.example.com ESMTP";
    options->forbidden_commands = {"GET"};
    const unsigned setup = octet();
    if (setup & 1) options->bare_newline = smtp::BareNewline::Reject;
    if (setup & 2) options->helo_required = true;
    if (setup & 4) options->soft_bounce = true;
    options->recipient_limit = setup & 8 ? 2 : 1000;
    smtp::ServerSession session(options, setup & 16   ? smtp::TlsOffer::Required
                                         : setup & 32 ? smtp::TlsOffer::Offered
                                                      : smtp::TlsOffer::No);
    session.allow_xclient((setup & 64) != 0);
    session.allow_xforward((setup & 64) != 0);
    static const auto verifier =
        sasl::make_verifier(sasl::ScramHash::Sha256, "pencil", "0123456789abcdef", 1);
    static const auto offer = std::make_shared<smtp::AuthOffer>(smtp::AuthOffer{
        {"PLAIN", "SCRAM-SHA-256"}, {"PLAIN", "LOGIN", "SCRAM-SHA-256-PLUS", "OAUTHBEARER"}, "decoy", true});
    session.offer_auth(offer, "nonce");
    smtp::Step step = session.greet({});
    bool judged_end = false;
    for (int steps = 0; steps < 2000; ++steps) {
        check_replies(step.output);
        using Next = smtp::Step::Next;
        if (step.next != Next::Commit && step.next != Next::Judge) judged_end = false;
        switch (step.next) {
            case Next::Close:
                session.counts();
                return 0;
            case Next::Read: {
                if (input.empty()) return 0;
                const auto end = input.find('\n');
                const auto line = input.substr(0, end);
                input.remove_prefix(end == std::string_view::npos ? input.size() : end + 1);
                step = line.size() > 500 ? session.on_line_too_long()
                                         : session.on_line(line, false, line.ends_with('\r'));
                break;
            }
            case Next::Judge: {
                smtp::Judged judged;
                const unsigned mood = step.stage == smtp::Stage::EndOfData ? octet() : 255;
                if (mood == 1) judged = {smtp::Judged::Kind::Refuse, {550, {5, 7, 1}, "no"}};
                judged_end =
                    step.stage == smtp::Stage::EndOfData && judged.kind == smtp::Judged::Kind::Accept;
                if (step.stage == smtp::Stage::Rcpt) require(session.has_pending_recipient());
                step = session.on_verdict(judged);
                break;
            }
            case Next::Begin:
                require(session.recipient_count() > 0);
                step = session.on_begun(octet() == 2 ? std::optional(smtp::CommitFailure::NoSpace)
                                                     : std::nullopt);
                break;
            case Next::ReadData:
            case Next::ReadChunk:
            case Next::SkipChunk: {
                smtp::ContentSummary summary;
                const unsigned kind = octet();
                summary.bare_newline = kind == 3;
                summary.hops = kind == 4 ? 1000 : 0;
                summary.size = kind == 5 ? UINT64_MAX : step.chunk_octets;
                step = session.on_content(summary);
                break;
            }
            case Next::Commit:
                require(judged_end && session.recipient_count() > 0);
                session.take_envelope();
                step = octet() == 6 ? session.on_commit_failed(smtp::CommitFailure::Store)
                                    : session.on_committed("4QABC");
                break;
            case Next::FlushSite: {
                using Outcome = smtp::ServerSession::SiteFlush;
                require(!session.etrn_domain().empty() && !session.in_transaction());
                step = session.on_site_flushed(octet() == 8 ? Outcome::NotServed : Outcome::Started);
                break;
            }
            case Next::StartTls:
                step = session.on_tls({{"tls-exporter", "octets"}});
                require(!session.in_transaction() && session.helo().empty());
                break;
            case Next::CheckPassword:
                require(session.user().empty());
                if (session.credentials().kind == sasl::ServerStep::Kind::CheckToken && octet() != 7) {
                    step = session.on_token_refused(sasl::TokenProblem::InvalidToken);
                    break;
                }
                step = session.on_password(octet() == 7 ? smtp::PasswordVerdict::Right
                                                        : smtp::PasswordVerdict::Wrong);
                break;
            case Next::LookUpVerifier:
                step = session.on_verifier(octet() == 7 ? std::optional(verifier) : std::nullopt, {});
                break;
            case Next::Xclient:
                step = session.greet({});
                require(!session.in_transaction());
                break;
        }
    }
    return 0;
}
