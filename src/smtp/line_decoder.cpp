#include "smtp/line_decoder.hpp"

namespace smtp {

LineDecoder::Result LineDecoder::next(std::string_view input) {
    const auto end = input.find('\n');
    Result out;
    if (end == std::string_view::npos) {
        out.consumed = input.size();
        if (skipping_ || partial_.size() + input.size() > max_) {
            skipping_ = true;
            partial_.clear();
        } else {
            partial_.append(input);
        }
        return out;
    }
    out.consumed = end + 1;
    if (skipping_ || partial_.size() + end > max_) {
        skipping_ = false;
        partial_.clear();
        out.kind = Kind::TooLong;
        return out;
    }
    std::string_view line = input.substr(0, end);
    if (!partial_.empty()) {
        partial_.append(line);
        complete_.swap(partial_);
        partial_.clear();
        line = complete_;
    }
    out.bare_newline = !line.ends_with('\r');
    if (!out.bare_newline) line.remove_suffix(1);
    out.kind = Kind::Line;
    out.line = line;
    return out;
}

void LineDecoder::reset() {
    partial_.clear();
    skipping_ = false;
}

}  // namespace smtp
