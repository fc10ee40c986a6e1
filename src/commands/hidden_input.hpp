// A line typed on the terminal, unseen.
#pragma once

#include <string>

namespace commands {

/// `prompt` goes to standard error. Reads standard input, terminal or not.
std::string ask_unseen(const char* prompt);

}  // namespace commands
