#include "mail/field_reader.hpp"

namespace mail {

void FieldReader::hold(std::string_view piece) {
    if (mode_ != Mode::Hold) return;
    held_ += piece;
    if (held_.size() <= held_octets_max) return;
    unreadable_ = true;
    held_.clear();
    mode_ = field_ = Mode::Pass;
}

void FieldReader::finish_field() {
    if (field_ == Mode::Hold) take_(held_);
    held_.clear();
    field_ = Mode::Pass;
}

/// Decides about the line that begin_ starts, as soon as that is possible.
void FieldReader::line_start() {
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
        finish_field();
        if (end == 0 || colon == begin_.size() || begin_[colon] != ':') {
            mode_ = Mode::Body;  // the empty line, or what is no field
            unreadable_ = unreadable_ || (begin_.front() != '\r' && begin_.front() != '\n');
        } else {
            const std::string_view name = std::string_view(begin_).substr(0, end);
            mode_ = field_ = wanted_.contains(name) ? Mode::Hold : Mode::Pass;
        }
    }
    hold(begin_);
    begin_.clear();
}

void FieldReader::feed(std::string_view octets) {
    while (!octets.empty() && mode_ != Mode::Body) {
        if (mode_ == Mode::LineStart) {
            begin_ += octets.front();
            octets.remove_prefix(1);
            line_start();
            continue;
        }
        const auto newline = octets.find('\n');
        const auto piece = octets.substr(0, newline == std::string_view::npos ? newline : newline + 1);
        octets.remove_prefix(piece.size());
        hold(piece);
        if (newline != std::string_view::npos) mode_ = Mode::LineStart;
    }
}

void FieldReader::end() {
    if (mode_ == Mode::Body) return;
    finish_field();
    mode_ = Mode::Body;
}

}  // namespace mail
