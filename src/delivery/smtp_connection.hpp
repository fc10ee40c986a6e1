// A connection of the SMTP and LMTP client, and the ones that are kept open a while for the next message to
// the same place. Belongs to the queue manager's loop.
#pragma once

#include "delivery/credential_source.hpp"
#include "env/loop.hpp"
#include "env/network.hpp"
#include "env/task.hpp"
#include "mail/error_class.hpp"
#include "smtp/client_session.hpp"
#include "smtp/transcript.hpp"
#include "tables/table.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace delivery {

struct SmtpConnection {
    explicit SmtpConnection(smtp::ClientSettings settings) : session(std::move(settings)) {}
    /// The next reply; nullopt: the connection broke, timed out, or what came is no reply.
    env::Task<std::optional<smtp::Reply>> reply(env::SteadyTime deadline);
    /// Commands of the session, which its transcript keeps.
    env::Task<bool> say(std::string commands, env::SteadyTime deadline);
    env::Task<bool> send(std::string bytes, env::SteadyTime deadline);
    /// The reply, for the transcript.
    smtp::Reply kept(smtp::Reply reply);
    /// A reply with its lines replaced as smtp_reply_filter says; nullopt: what it became is no reply.
    env::Task<std::optional<smtp::Reply>> filtered(smtp::Reply reply);

    std::unique_ptr<env::Stream> stream;
    env::Endpoint endpoint;  // as it was asked for
    smtp::ClientSession session;
    std::string host, relay;  // "mx.example.org", "mx.example.org[192.0.2.1]:25"
    smtp::ReplyParser parser;
    std::string input;
    std::size_t used = 0;
    std::uint32_t uses = 0;
    env::SteadyTime begun{}, last_use{};
    double setup_seconds = 0;
    const tables::TableList* reply_filter = nullptr;  // smtp_reply_filter; empty or null: none
    std::optional<CredentialSource::Login> login;
    std::unique_ptr<smtp::Transcript> transcript;  // nullptr: nobody wants it
    mail::ErrorClasses errors;                     // for the postmaster, of this message or of the way to it
    std::string problem;                           // why reply() or send() gave up
};

class ConnectionCache {
 public:
    struct Limits {
        std::chrono::seconds idle{2};    // smtp_connection_cache_time_limit; 0: nothing is kept
        std::chrono::seconds age{300};   // smtp_connection_reuse_time_limit; 0: any
        std::uint32_t uses = 100;        // smtp_connection_reuse_count_limit; 0: any number
        std::chrono::seconds quit{300};  // smtp_quit_timeout
        std::size_t connections = 100;   // of one transport
    };
    ConnectionCache(env::Loop& loop, Limits limits) : loop_(loop), limits_(limits) {}
    /// nullptr: none is kept for `key`. It may have been closed by the other side meanwhile.
    std::unique_ptr<SmtpConnection> take(const std::string& key);
    /// Keeps it, or says QUIT where a limit forbids to.
    void keep(const std::string& key, std::unique_ptr<SmtpConnection> connection);
    void close();

 private:
    void dismiss(std::unique_ptr<SmtpConnection> connection);
    env::Loop& loop_;
    Limits limits_;
    std::map<std::string, std::vector<std::unique_ptr<SmtpConnection>>> idle_;
};

}  // namespace delivery
