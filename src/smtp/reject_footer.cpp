#include "smtp/reject_footer.hpp"

#include "base/text.hpp"
#include "mail/status.hpp"

#include <algorithm>

namespace smtp {
namespace {

constexpr std::size_t value_octets_max = 320;

std::string harmless(std::string_view text) {
    std::string out(text.substr(0, value_octets_max));
    std::ranges::replace_if(
        out, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '_');
    return out;
}

std::vector<std::string> lines_of(std::string_view footer) {
    std::vector<std::string> out(1);
    for (std::size_t i = 0; i < footer.size(); ++i) {
        if (footer.substr(i).starts_with("\\n")) {
            out.emplace_back();
            ++i;
        } else {
            out.back() += footer[i];
        }
    }
    return out;
}

}  // namespace

std::string expand_footer(std::string_view text, const FooterValues& values) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '$') {
            out += text[i];
            continue;
        }
        const bool bracket = i + 1 < text.size() && (text[i + 1] == '{' || text[i + 1] == '(');
        const std::size_t begin = i + (bracket ? 2 : 1);
        std::size_t end = begin;
        while (end < text.size() && (base::is_alnum(text[end]) || text[end] == '_')) ++end;
        const auto name = text.substr(begin, end - begin);
        const auto found = std::ranges::find(values, name, &FooterValues::value_type::first);
        if (found != values.end()) out += harmless(found->second);
        i = (bracket && end < text.size() ? end + 1 : end) - 1;
    }
    return out;
}

std::string with_footer(std::string_view replies, std::string_view footer) {
    const bool same_line = footer.starts_with("\\c");
    if (same_line) footer.remove_prefix(2);
    const auto lines = lines_of(footer);
    std::string out;
    while (!replies.empty()) {
        const auto end = std::min(replies.find("\r\n"), replies.size());
        std::string line(replies.substr(0, end));
        replies.remove_prefix(std::min(end + 2, replies.size()));
        const bool last_of_refusal = line.size() > 4 && (line[0] == '4' || line[0] == '5') && line[3] == ' ';
        if (!last_of_refusal) {
            out += line + "\r\n";
            continue;
        }
        const auto status = mail::Status::parse_prefix(std::string_view(line).substr(4));
        const std::string code = line.substr(0, 3);
        const std::string said = status ? status->text() + " " : "";
        std::size_t next = 0;
        if (same_line) line += lines[next++];
        if (next < lines.size()) line[3] = '-';
        out += line + "\r\n";
        for (; next < lines.size(); ++next)
            out += code + (next + 1 < lines.size() ? "-" : " ") + said + lines[next] + "\r\n";
    }
    return out;
}

}  // namespace smtp
