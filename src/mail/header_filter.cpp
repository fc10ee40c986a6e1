#include "mail/header_filter.hpp"

#include <algorithm>

namespace mail {

void HeaderFilter::take(std::string_view piece, std::string& out) {
    if (mode_ == Mode::Drop) return;
    if (mode_ != Mode::Hold) {
        out += piece;
        return;
    }
    held_ += piece;
    if (held_.size() <= held_octets_max) return;
    unreadable_ = true;
    out += held_;
    held_.clear();
    mode_ = field_ = Mode::Pass;
}

void HeaderFilter::finish_field(std::string& out) {
    if (field_ == Mode::Hold) out += rewrite_(held_);
    held_.clear();
    field_ = Mode::Pass;
}

/// Decides about the line that begin_ starts, as soon as that is possible.
void HeaderFilter::line_start(std::string& out) {
    const char first = begin_.front();
    if (first == ' ' || first == '\t') {
        mode_ = field_;  // goes on as the field before
    } else {
        std::size_t end = 0;  // of the name
        while (end < begin_.size() && begin_[end] > ' ' && begin_[end] < 0x7f && begin_[end] != ':') ++end;
        std::size_t colon = end;
        while (colon < begin_.size() && (begin_[colon] == ' ' || begin_[colon] == '\t')) ++colon;
        const bool undecided = colon == begin_.size() && begin_.size() <= name_octets_max;
        if (undecided) return;
        finish_field(out);
        if (end == 0 || colon == begin_.size() || begin_[colon] != ':') {
            mode_ = Mode::Body;  // the empty line, or what is no field
            unreadable_ = unreadable_ || (begin_.front() != '\r' && begin_.front() != '\n');
        } else {
            const std::string_view name = std::string_view(begin_).substr(0, end);
            mode_ = field_ = drop_.contains(name)   ? Mode::Drop
                             : hold_.contains(name) ? Mode::Hold
                                                    : Mode::Pass;
        }
    }
    const std::string begun = std::move(begin_);
    begin_.clear();
    take(begun, out);
}

void HeaderFilter::feed(std::string_view octets, std::string& out) {
    while (!octets.empty()) {
        if (mode_ == Mode::Body) {
            out += octets;
            return;
        }
        if (mode_ == Mode::LineStart) {
            begin_ += octets.front();
            octets.remove_prefix(1);
            line_start(out);
            continue;
        }
        const auto newline = octets.find('\n');
        const auto piece = octets.substr(0, newline == std::string_view::npos ? newline : newline + 1);
        octets.remove_prefix(piece.size());
        take(piece, out);
        if (newline != std::string_view::npos) mode_ = Mode::LineStart;
    }
}

void HeaderFilter::end(std::string& out) {
    if (mode_ == Mode::Body) return;
    finish_field(out);
    out += begin_;
    begin_.clear();
    mode_ = Mode::Body;
}

}  // namespace mail
