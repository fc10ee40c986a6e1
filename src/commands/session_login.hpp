// postrider session: logging in (RFC 4954). For session.cpp.
#pragma once

#include "commands/session_talk.hpp"

namespace commands {

/// `ehlo`: the reply to the last EHLO, with the mechanisms the server offers. session_accepted, session_login
/// or session_connection.
env::Task<int> log_in(SessionTalk& talk, Reply ehlo);

}  // namespace commands
