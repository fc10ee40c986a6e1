// main.cf as text: "name = value", comments, continuation lines (postconf(5)). Pure.
#pragma once

#include "config/diagnostics.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace config {

struct Setting {
    std::string name;
    std::string value;  // continuation lines joined, unexpanded
    std::string file;
    int line = 0;  // where it begins
};

/// In file order; a name may come again (the last counts). What cannot be read is reported and left out.
std::vector<Setting> parse_main_cf(std::string_view text, const std::string& file, Diagnostics& diagnostics);

/// Logical lines: comments and empty lines dropped, continuation lines joined. Shared with master.cf.
struct LogicalLine {
    std::string text;
    int line = 0;
};
std::vector<LogicalLine> logical_lines(std::string_view text);

}  // namespace config
