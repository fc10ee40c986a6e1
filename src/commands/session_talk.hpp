// The two sides of a `postrider session`: what goes over the wire, and what is shown of it. Secrets are never
// shown, in whatever form they come back. For session.cpp and its parts.
#pragma once

#include "commands/session.hpp"

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace commands {

struct Reply {
    int code = 0;  // 0: the connection broke, or it was no reply
    std::vector<std::string> lines;
    const std::string& last() const {
        static const std::string none;
        return lines.empty() ? none : lines.back();
    }
};

class SessionTalk {
 public:
    SessionTalk(const SessionOptions& options, SessionServices services)
        : options_(options), services_(std::move(services)), start_(services_.loop.clock().steady()) {}

    /// A session_… status; TLS included where it comes first.
    env::Task<int> connect();
    /// The handshake; the certificate is shown. A session_… status.
    env::Task<int> start_tls();
    /// One whole reply, shown with the time it took and what it means.
    env::Task<Reply> read_reply();
    env::Task<bool> send(std::string bytes);
    /// Sends a line, shown as `shown` where it holds a secret, and reads the reply.
    env::Task<Reply> command(std::string line, std::string shown = {});
    void close();

    /// '<' the server, '>' the client, '*' a note of ours. Secrets are masked in what the two say; a note
    /// that repeats the server's words masks them itself.
    void show(char direction, std::string_view text);
    std::string masked(std::string_view text) const;
    /// What must not be seen from now on, nor its base64.
    void keep_secret(const std::string& text);
    nlohmann::json& record() { return record_; }
    /// JSON's end.
    void finish(int status);

    const SessionOptions& options() const { return options_; }
    SessionServices& services() { return services_; }
    env::Stream& stream() { return *stream_; }
    bool encrypted() const { return stream_ && stream_->tls(); }
    bool unread() const { return !input_.empty(); }

 private:
    env::SteadyTime deadline() const { return services_.loop.clock().steady() + options_.timeout; }
    env::Task<std::vector<env::IpAddress>> resolve();
    env::Task<std::optional<std::string>> read_line(std::size_t& octets);
    void show_certificate();

    const SessionOptions& options_;
    SessionServices services_;
    env::SteadyTime start_, sent_at_{};
    std::unique_ptr<env::Stream> stream_;
    std::string input_;
    std::vector<std::string> secrets_;
    nlohmann::json record_ = nlohmann::json::object();
};

}  // namespace commands
