// The delivery helper: the one process that keeps root's power after start, and the only thing it does with
// it is to become the user a job names, in a child of its own, before it touches a file or runs a command. It
// listens to no network and parses no mail. Nothing is delivered as root, but the spool mailbox of root
// itself. The exception is PAM, which judges logins as root (smtpd_sasl_type = pam), each in a child of its
// own.
#pragma once

#include <expected>
#include <set>
#include <string>

namespace app {

struct HelperSettings {
    std::string host_name;           // for Maildir names
    std::string spool_directory;     // mail_spool_directory: where root's own mailbox may be
    std::set<std::string> readable;  // files the configuration names, which may be root's alone (TLS keys)
};

/// How the server reaches it.
struct HelperChannel {
    int descriptor = -1;      // SOCK_SEQPACKET, non-blocking; any thread may send
    bool privileged = false;  // it has root's power
};

/// Forks the helper. Before any thread is started and
/// before privileges are dropped. The helper ends when the descriptor is closed.
std::expected<HelperChannel, std::string> start_delivery_helper(const HelperSettings& settings);

}  // namespace app
