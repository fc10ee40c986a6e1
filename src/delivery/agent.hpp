// The part of local delivery that touches files and programs. As root the server starts one small helper
// process that does these jobs as the Unix user concerned; unprivileged (virtual mailboxes only) they run on
// a worker. app/ has both.
#pragma once

#include "env/task.hpp"
#include "mail/status.hpp"
#include "queue/transport.hpp"

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace delivery {

/// Deliver as this user; nullopt: as the process is.
struct Credentials {
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::string user_name;  // for initgroups(3); empty: only gid
};

/// `prefix`: header lines put before the content (Return-Path, X-Original-To, Delivered-To), LF line ends on
/// disk.
struct MaildirJob {
    std::string directory;
    std::string prefix;
    bool create_parents = true;
};
struct MboxJob {
    std::string path;
    std::string from_line_sender;  // "MAILER-DAEMON" for the null sender
    std::string prefix;
    std::vector<std::string> locks;  // mailbox_delivery_lock: "fcntl", "dotlock", "flock"
    std::uint64_t size_limit = 0;    // 0: none
};
struct CommandJob {
    std::vector<std::string> argv;  // run directly; or
    std::string shell_command;      // run by /bin/sh -c when argv is empty (alias commands, mailbox_command)
    std::vector<std::pair<std::string, std::string>> environment;
    std::string directory;  // working directory
    std::string prefix;
    bool crlf = false;  // line ends on standard input
    std::uint64_t time_limit_seconds = 1000;
    std::uint64_t output_max = 8192;
};
struct AgentJob {
    std::optional<Credentials> as;
    std::variant<MaildirJob, MboxJob, CommandJob> what;
};

/// The largest file read_file() reads.
constexpr std::uint64_t list_file_octets_max = 4 << 20;

struct AgentResult {
    mail::Status status{4, 3, 0};
    std::string text;  // "delivered to maildir", "temporary failure. Command output: …"
};

/// What an agent's result means for a recipient. `relay`: "virtual", "local", a service's name.
queue::RecipientResult recipient_result(AgentResult done, std::string relay);

/// Belongs to the queue manager's loop.
class Agent {
 public:
    virtual ~Agent() = default;
    virtual env::Task<AgentResult> run(AgentJob job, queue::ContentReader& content) = 0;
    /// A small file (.forward, :include:) as that user sees it. nullopt: there is none. Refused when others
    /// than its owner or root may write it. Error: a temporary failure, for logs.
    virtual env::Task<std::expected<std::optional<std::string>, std::string>> read_file(Credentials as,
                                                                                        std::string path) = 0;
    /// False when jobs for that user are refused (not started as root).
    virtual bool can_deliver_as(std::uint32_t uid) const = 0;
};

}  // namespace delivery
