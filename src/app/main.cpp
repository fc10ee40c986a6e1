// The entry point: finds the verb and runs it. Everything else is in commands/.
#include "commands/command_line.hpp"

int main(int count, char** words) { return commands::run_command_line({words, words + count}); }
