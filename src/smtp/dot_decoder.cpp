#include "smtp/dot_decoder.hpp"

#include <algorithm>
#include <utility>

namespace smtp {

void DotDecoder::text(std::string_view text, std::string& out) {
    const auto at = out.size();
    out.append(text);
    if (text.find('\r') == std::string_view::npos) return;
    bare_return_ = true;
    std::replace(out.begin() + static_cast<std::ptrdiff_t>(at), out.end(), '\r', ' ');
}

DotDecoder::Result DotDecoder::decode(std::string_view input, std::string& out) {
    if (held_.empty()) return decode_joined(input, out);
    if (input.empty()) return {};
    const std::size_t before = held_.size();
    std::string joined = std::exchange(held_, {});
    joined.append(input);
    Result result = decode_joined(joined, out);
    result.consumed -= before;
    return result;
}

DotDecoder::Result DotDecoder::decode_joined(std::string_view input, std::string& out) {
    std::size_t at = 0;
    while (at < input.size()) {
        const auto end = input.find('\n', at);
        if (end == std::string_view::npos) {
            std::string_view rest = input.substr(at);
            if (at_line_start_ && (rest == "." || rest == ".\r")) {
                held_ = rest;
                return {input.size(), false};
            }
            if (rest.ends_with('\r')) {
                held_ = "\r";
                rest.remove_suffix(1);
            }
            if (!rest.empty()) {
                if (at_line_start_ && rest.front() == '.') rest.remove_prefix(1);
                text(rest, out);
                at_line_start_ = false;
            }
            return {input.size(), false};
        }
        std::string_view line = input.substr(at, end - at);
        const bool standard = line.ends_with('\r');
        if (standard)
            line.remove_suffix(1);
        else
            bare_newline_ = true;
        at = end + 1;
        if (at_line_start_ && !line.empty() && line.front() == '.') {
            if (line.size() > 1)
                line.remove_prefix(1);
            else if (standard && previous_standard_)
                return {at, true};
        }
        text(line, out);
        out.append("\r\n", 2);
        at_line_start_ = true;
        previous_standard_ = standard;
    }
    return {input.size(), false};
}

void DotEncoder::encode(std::string_view content, std::string& out) {
    constexpr auto none = std::string_view::npos;
    std::size_t at = 0;
    if (pending_return_ && !content.empty()) {
        pending_return_ = false;
        at_line_start_ = content.front() == '\n';
        out.append(at_line_start_ ? "\r\n" : " ");
        if (at_line_start_) at = 1;
    }
    std::size_t copied = at;  // what stands as it is goes over in long runs
    const auto copy_to = [&](std::size_t end) {
        out.append(content, copied, end - copied);
        copied = end;
    };
    auto carriage_return = content.find('\r', at);
    while (at < content.size()) {
        if (at_line_start_ && content[at] == '.') {
            copy_to(at);
            out += '.';
        }
        if (carriage_return < at) carriage_return = content.find('\r', at);
        const auto limit = std::min(carriage_return, content.size());
        const auto newline = content.substr(at, limit - at).find('\n');
        const auto end = newline == none ? limit : at + newline;
        if (end == content.size()) {
            at_line_start_ = false;
            break;
        }
        if (end == limit && end + 1 == content.size()) {
            copy_to(end);
            pending_return_ = true;
            return;
        }
        at_line_start_ = end == limit && content[end + 1] == '\n';
        if (!at_line_start_) {
            copy_to(end);
            out += ' ';
            copied = end + 1;
        }
        at = end + (at_line_start_ ? 2 : 1);
    }
    copy_to(content.size());
}

void DotEncoder::finish(std::string& out) {
    if (pending_return_) {
        out += ' ';
        at_line_start_ = false;
    }
    pending_return_ = false;
    if (!at_line_start_) out.append("\r\n", 2);
    out.append(".\r\n", 3);
}

}  // namespace smtp
