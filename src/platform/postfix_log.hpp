// Events as log lines in Postfix's words, so that administrators and their tools (pflogsumm, fail2ban) read
// them as ever. Pure. Nothing a peer sent can forge or split a line: every such text is made printable and
// cut.
#pragma once

#include "base/event.hpp"
#include "env/clock.hpp"

#include <string>

namespace platform {

struct LogLine {
    std::string service;  // "smtpd", "qmgr", "" for the program itself
    std::string text;     // what stands behind "postrider/smtpd[pid]: "
    base::Severity severity = base::Severity::Info;
};

LogLine postfix_line(const base::Event& event);

/// "Nov 23 20:05:13 host postrider/smtpd[123]: text\n" (RFC 3164's time stamp, local time).
std::string traditional_line(const LogLine& line, env::WallTime at, std::chrono::minutes zone,
                             std::string_view host, std::string_view syslog_name, int process);
/// One JSON object and a line end.
std::string json_line(const base::Event& event, env::WallTime at);

}  // namespace platform
