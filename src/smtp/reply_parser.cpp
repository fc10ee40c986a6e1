#include "smtp/reply_parser.hpp"

#include "base/text.hpp"

#include <fmt/format.h>
#include <utility>

namespace smtp {

std::string Reply::text() const {
    std::string out = std::to_string(code);
    for (const auto& line : lines)
        if (!line.empty()) out += " " + line;
    return out;
}

mail::Status Reply::status() const {
    if (!lines.empty()) {
        const auto found = mail::Status::parse_prefix(lines.front());
        if (found && found->class_ == code / 100) return *found;
    }
    return {static_cast<std::uint16_t>(code / 100), 0, 0};
}

ReplyParser::Result ReplyParser::feed(std::string_view input, std::size_t& consumed) {
    constexpr std::size_t text_max = 500;
    consumed = 0;
    while (!input.empty()) {
        const auto end = input.find('\n');
        const std::string_view piece = input.substr(0, end);
        if (line_.size() + piece.size() > line_octets_max) return Result::Malformed;
        line_.append(piece);
        const std::size_t used = end == std::string_view::npos ? input.size() : end + 1;
        consumed += used;
        input.remove_prefix(used);
        if (end == std::string_view::npos) return Result::NeedMore;
        std::string_view line = line_;
        if (line.ends_with('\r')) line.remove_suffix(1);
        const auto code = base::parse_number(line.substr(0, 3), 599);
        const bool shaped = line.size() >= 3 && code && *code >= 200 &&
                            (line.size() == 3 || line[3] == ' ' || line[3] == '-');
        if (!shaped || reply_.lines.size() >= lines_max) return Result::Malformed;
        if (!reply_.lines.empty() && reply_.code != static_cast<int>(*code)) return Result::Malformed;
        reply_.code = static_cast<int>(*code);
        reply_.lines.push_back(
            base::printable(line.size() > 4 ? line.substr(4) : std::string_view{}, text_max));
        const bool last = line.size() == 3 || line[3] == ' ';
        line_.clear();
        if (last) return Result::Complete;
    }
    return Result::NeedMore;
}

Reply ReplyParser::take() { return std::exchange(reply_, {}); }

}  // namespace smtp
