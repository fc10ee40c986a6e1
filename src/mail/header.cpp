#include "mail/header.hpp"

#include "base/text.hpp"

#include <algorithm>

namespace mail {

void HeaderScanner::feed(std::string_view octets) {
    while (!ended_ && !octets.empty()) {
        const auto end = octets.find('\n');
        const std::string_view piece = octets.substr(0, end);
        const std::size_t room = limits_.line_octets_kept - std::min(limits_.line_octets_kept, line_.size());
        line_.append(piece.substr(0, room));
        if (end == std::string_view::npos) return;
        octets.remove_prefix(end + 1);
        line();
        line_.clear();
    }
}

void HeaderScanner::finish() {
    if (!ended_ && !line_.empty()) line();
    ended_ = true;
    line_.clear();
    line_.shrink_to_fit();
}

void HeaderScanner::line() {
    std::string_view text = line_;
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (text.empty()) {
        ended_ = true;
        return;
    }
    if (text.front() == ' ' || text.front() == '\t') {
        if (expect_message_id_) message_id_ = base::trim(text);
        expect_message_id_ = false;
        return;
    }
    expect_message_id_ = false;
    const auto colon = text.find(':');
    if (colon == std::string_view::npos || colon == 0) {
        ended_ = true;  // not a field: the body began without an empty line (RFC 7103 §7.5)
        return;
    }
    const std::string_view name = base::trim(text.substr(0, colon));
    const std::string_view value = base::trim(text.substr(colon + 1));
    if (base::iequals(name, "Received"))
        ++received_;
    else if (base::iequals(name, "Message-ID")) {
        message_id_ = value;
        expect_message_id_ = value.empty();
    } else if (base::iequals(name, "From"))
        from_ = true;
    else if (base::iequals(name, "Date"))
        date_ = true;
    else if (base::iequals(name, "To") || base::iequals(name, "Cc") || base::iequals(name, "Bcc"))
        recipients_ = true;
    else if (base::istarts_with(name, "Resent-"))
        resent_ = true;
    else if (base::iequals(name, "Delivered-To") && delivered_to_.size() < limits_.delivered_to_max)
        delivered_to_.emplace_back(value);
}

}  // namespace mail
