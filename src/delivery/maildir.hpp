// Writing messages into Maildirs and mbox files: blocking code over env::FileSystem, run on a worker or in
// the helper process. Never follows a link that a mailbox's owner could plant; nothing half-written is ever
// seen.
#pragma once

#include "delivery/agent.hpp"
#include "env/clock.hpp"
#include "env/file_system.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace delivery {

/// CRLF to LF over pieces of any size.
class LineEnds {
 public:
    std::string convert(std::string_view piece);
    std::string finish();

 private:
    bool pending_return_ = false;
};

/// The line an mbox file begins a message with, without line end: "From ann@example.org  Wed Nov 25 …" (UTC).
std::string mbox_from_line(std::string_view sender, env::WallTime at);

/// One message on its way into a file.
class MailboxWriter {
 public:
    virtual ~MailboxWriter() = default;
    virtual AgentResult begin() = 0;
    virtual AgentResult write(std::string_view content) = 0;  // CRLF line ends
    /// Durable when the status is a success.
    virtual AgentResult finish() = 0;
    /// Undoes a begin() that was not finished.
    virtual void abandon() = 0;
};

struct UniqueName {
    std::string host;
    env::WallTime now;
    std::uint64_t process = 0;
    std::uint64_t counter = 0;
};
std::unique_ptr<MailboxWriter> make_maildir_writer(env::FileSystem& files, MaildirJob job, UniqueName name);
std::unique_ptr<MailboxWriter> make_mbox_writer(env::FileSystem& files, MboxJob job, env::WallTime now);

}  // namespace delivery
