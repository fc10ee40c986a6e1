// For tests: plays the driver of a ServerSession. The policy accepts, the queue takes everything, unless a
// case says otherwise.
#pragma once

#include "smtp/server_session.hpp"

#include <cstdlib>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace smtp {

class Driver {
 public:
    explicit Driver(TlsOffer tls = TlsOffer::No, ServerOptions options = defaults())
        : session(std::make_shared<ServerOptions>(options), tls) {
        settle(session.greet({}));
    }
    static ServerOptions defaults() {
        ServerOptions options;
        options.host_name = "mail.example.com";
        options.forbidden_commands = {"CONNECT", "GET", "POST"};
        options.banner = "mail.example.com ESMTP Postrider";
        return options;
    }
    /// The replies to one line, all steps taken.
    std::string say(std::string_view line, bool more = false) {
        output.clear();
        settle(session.on_line(line, more, false));
        return output;
    }
    int code(std::string_view line) { return std::atoi(say(line).c_str()); }

    ServerSession session;
    sasl::ChannelBindings bindings{};
    std::string output;
    ContentSummary content;
    Judged verdict;  // for `refused_stage`
    std::optional<Stage> refused_stage;
    std::optional<CommitFailure> begin_failure, commit_failure;
    std::string flushed;  // the domain of the last ETRN
    ServerSession::SiteFlush site_flush = ServerSession::SiteFlush::Started;
    int commits = 0;
    bool closed = false;

 private:
    void settle(Step step) {
        using Next = Step::Next;
        for (;;) {
            output += step.output;
            switch (step.next) {
                case Next::Read:
                    return;
                case Next::Close:
                    closed = true;
                    return;
                case Next::Judge:
                    step = session.on_verdict(refused_stage == step.stage ? verdict : Judged{});
                    break;
                case Next::Begin:
                    step = session.on_begun(begin_failure);
                    break;
                case Next::ReadData:
                    step = session.on_content(content);
                    break;
                case Next::ReadChunk:
                    content.size += step.chunk_octets;
                    step = session.on_content(content);
                    break;
                case Next::SkipChunk:
                    step = session.on_content(content);
                    break;
                case Next::Commit:
                    if (commit_failure) {
                        step = session.on_commit_failed(*commit_failure);
                    } else {
                        ++commits;
                        session.take_envelope();
                        step = session.on_committed("4QABC");
                    }
                    break;
                case Next::FlushSite:
                    flushed = session.etrn_domain();
                    step = session.on_site_flushed(site_flush);
                    break;
                case Next::StartTls:
                    step = session.on_tls(bindings);
                    break;
                case Next::CheckPassword:
                    if (session.credentials().kind == sasl::ServerStep::Kind::CheckToken &&
                        session.credentials().password != "secret") {
                        step = session.on_token_refused(sasl::TokenProblem::InvalidToken);
                        break;
                    }
                    step = session.on_password(
                        session.credentials().password == "secret"  ? PasswordVerdict::Right
                        : session.credentials().password == "later" ? PasswordVerdict::Unknown
                                                                    : PasswordVerdict::Wrong);
                    break;
                case Next::LookUpVerifier:
                    step = session.on_verifier(std::nullopt, {});
                    break;
                case Next::Xclient:
                    step = session.greet({});
                    break;
            }
        }
    }
};

using Conversation = std::vector<std::pair<const char*, int>>;

inline void expect(const Conversation& lines, Driver& driver) {
    for (const auto& [line, code] : lines)
        EXPECT_EQ(driver.code(line), code) << line << " -> " << driver.output;
}

}  // namespace smtp
