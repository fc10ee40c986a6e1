// The command line as a whole: which verb, which configuration directory, --help, --json.
#pragma once

#include <string>
#include <vector>

namespace commands {

/// `words` as main() got them, the program's name first. Returns the exit status.
int run_command_line(std::vector<std::string> words);

}  // namespace commands
