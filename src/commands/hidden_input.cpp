#include "commands/hidden_input.hpp"

#include <fmt/format.h>
#include <iostream>
#include <termios.h>
#include <unistd.h>

namespace commands {

std::string ask_unseen(const char* prompt) {
    termios before{};
    const bool terminal = ::tcgetattr(STDIN_FILENO, &before) == 0;
    termios silent = before;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    // What was typed before the question stays unread here; what is typed after it must not be thrown away.
    if (terminal) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    fmt::print(stderr, "{}", prompt);
    std::string line;
    std::getline(std::cin, line);
    if (terminal) ::tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
    fmt::print(stderr, "\n");
    return line;
}

}  // namespace commands
