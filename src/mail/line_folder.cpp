#include "mail/line_folder.hpp"

namespace mail {

std::string LineFolder::fold(std::string octets) {
    if (!held_.empty()) octets.insert(0, std::exchange(held_, {}));
    if (octets.ends_with('\r')) {
        held_ = "\r";
        octets.pop_back();
    }
    std::string out;  // of `octets`, the first `copied`; stays empty while nothing is too long
    std::size_t copied = 0;
    for (std::size_t at = 0; at < octets.size();) {
        const std::size_t newline = octets.find('\n', at);
        const bool ends = newline != std::string::npos;
        std::size_t end = ends ? newline : octets.size();
        if (ends && end > at && octets[end - 1] == '\r') --end;
        while (column_ + (end - at) > limit_) {
            const std::size_t room = limit_ - column_;
            out.append(octets, copied, at + room - copied);
            out += "\r\n ";
            copied = at += room;
            column_ = 1;
            folded_ = true;
        }
        column_ = ends ? 0 : column_ + (end - at);
        at = ends ? newline + 1 : octets.size();
    }
    if (copied == 0 && out.empty()) return octets;
    out.append(octets, copied);
    return out;
}

}  // namespace mail
