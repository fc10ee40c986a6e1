#include "config/main_cf.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>

namespace config {

std::vector<LogicalLine> logical_lines(std::string_view text) {
    std::vector<LogicalLine> out;
    int number = 0;
    while (!text.empty()) {
        const auto end = text.find('\n');
        std::string_view line = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        ++number;
        if (line.ends_with('\r')) line.remove_suffix(1);
        const std::string_view content = base::trim(line);
        // Empty lines and comments do not end a logical line: one may stand between its parts.
        if (content.empty() || content.front() == '#') continue;
        if ((line.front() == ' ' || line.front() == '\t') && !out.empty())
            out.back().text += " " + std::string(content);
        else
            out.push_back({std::string(content), number});
    }
    return out;
}

std::vector<Setting> parse_main_cf(std::string_view text, const std::string& file, Diagnostics& diagnostics) {
    std::vector<Setting> out;
    std::map<std::string, int> seen;
    for (const auto& [line, number] : logical_lines(text)) {
        const auto equals = line.find('=');
        const std::string name(base::trim(std::string_view(line).substr(0, equals)));
        if (equals == std::string::npos || name.empty() || name.find_first_of(" \t") != std::string::npos) {
            diagnostics.add(
                Severity::Error, file, number,
                fmt::format("'{}' is not \"name = value\"; a line that goes on begins with white space",
                            base::printable(line, 60)));
            continue;
        }
        if (line.find('\0') != std::string::npos) {
            diagnostics.add(Severity::Error, file, number, name + ": the value holds a NUL octet");
            continue;
        }
        const std::string value(base::trim(std::string_view(line).substr(equals + 1)));
        if (const auto before = seen.find(name); before != seen.end())
            diagnostics.add(
                Severity::Warning, file, number,
                fmt::format("{} was set in line {} already; this line counts", name, before->second));
        seen[name] = number;
        out.push_back({name, value, file, number});
    }
    return out;
}

}  // namespace config
