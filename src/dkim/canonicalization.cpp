#include "dkim/canonicalization.hpp"

#include "base/text.hpp"

#include <algorithm>

namespace dkim {
namespace {

constexpr std::size_t buffer_octets = 8192;
constexpr bool is_wsp(char c) { return c == ' ' || c == '\t'; }

}  // namespace

std::string_view to_text(Canonicalization canonicalization) {
    return canonicalization == Canonicalization::Simple ? "simple" : "relaxed";
}

std::vector<Field> split_fields(std::string_view block) {
    std::vector<Field> out;
    while (!block.empty()) {
        std::size_t end = 0;
        do {  // a field goes on while the next line begins with white space
            const auto newline = block.find('\n', end);
            end = newline == std::string_view::npos ? block.size() : newline + 1;
        } while (end < block.size() && is_wsp(block[end]));
        const std::string_view raw = block.substr(0, end);
        block.remove_prefix(end);
        const auto colon = raw.find(':');
        if (colon == std::string_view::npos || colon == 0) continue;
        std::string_view name = raw.substr(0, colon);
        while (!name.empty() && base::is_space(name.back())) name.remove_suffix(1);  // also "From CRLF SP :"
        out.push_back({name, raw});
    }
    return out;
}

std::string canonical_field(std::string_view raw, Canonicalization how) {
    if (how == Canonicalization::Simple)
        return raw.ends_with("\r\n") ? std::string(raw) : std::string(raw) + "\r\n";
    const auto colon = raw.find(':');
    std::string out = base::lower(base::trim(raw.substr(0, colon)));
    if (colon == std::string_view::npos) return out + "\r\n";
    out += ':';
    bool space = false;
    bool text = false;
    const std::string_view value = raw.substr(colon + 1);
    for (std::size_t i = 0; i < value.size(); ++i) {
        const char c = value[i];
        // Unfolding takes the CRLF; a bare CR or LF is text like any other, so that none can be slipped in.
        if (value.substr(i, 2) == "\r\n") {
            ++i;
            continue;
        }
        if (is_wsp(c)) {
            space = true;
            continue;
        }
        if (space && text) out += ' ';
        space = false;
        text = true;
        out += c;
    }
    return out + "\r\n";
}

BodyHasher::BodyHasher(Canonicalization how, std::uint64_t length_max) : how_(how), length_max_(length_max) {}

void BodyHasher::flush() {
    hash_.update(buffer_);
    buffer_.clear();
}

void BodyHasher::put(std::string_view canonical) {
    const std::uint64_t room = length_max_ > octets_ ? length_max_ - octets_ : 0;
    octets_ += canonical.size();
    if (collected_) collected_->append(canonical);
    canonical =
        canonical.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(room, canonical.size())));
    if (buffer_.size() + canonical.size() > buffer_octets) flush();
    if (canonical.size() > buffer_octets)
        hash_.update(canonical);
    else
        buffer_.append(canonical);
}

void BodyHasher::line_text(std::string_view text) {
    if (text.empty()) return;
    if (how_ == Canonicalization::Simple) {
        for (; empty_lines_ > 0; --empty_lines_) put("\r\n");
        put(text);
        line_has_text_ = true;
        return;
    }
    while (!text.empty()) {
        const auto space = static_cast<std::size_t>(std::ranges::find_if(text, is_wsp) - text.begin());
        if (space > 0) {
            for (; empty_lines_ > 0; --empty_lines_) put("\r\n");
            if (pending_space_) put(" ");
            pending_space_ = false;
            put(text.substr(0, space));
            line_has_text_ = true;
            text.remove_prefix(space);
        }
        while (!text.empty() && is_wsp(text.front())) {
            pending_space_ = true;
            text.remove_prefix(1);
        }
    }
}

void BodyHasher::end_of_line() {
    pending_space_ = false;  // trailing white space is dropped
    if (line_has_text_)
        put("\r\n");
    else
        ++empty_lines_;
    line_has_text_ = false;
}

void BodyHasher::update(std::string_view body) {
    if (body.empty()) return;
    if (pending_cr_) {
        pending_cr_ = false;
        if (body.front() == '\n') {
            end_of_line();
            body.remove_prefix(1);
        } else {
            line_text("\r");
        }
    }
    while (!body.empty()) {
        const auto end = body.find("\r\n");
        if (end != std::string_view::npos) {
            line_text(body.substr(0, end));
            end_of_line();
            body.remove_prefix(end + 2);
            continue;
        }
        pending_cr_ = body.ends_with('\r');
        line_text(body.substr(0, body.size() - (pending_cr_ ? 1 : 0)));
        return;
    }
}

std::string BodyHasher::finish() {
    if (pending_cr_) line_text("\r");
    pending_cr_ = false;
    if (line_has_text_) end_of_line();                                  // a last line without CRLF gets one
    if (octets_ == 0 && how_ == Canonicalization::Simple) put("\r\n");  // §3.4.3: an empty body is one CRLF
    flush();
    return hash_.finish();
}

}  // namespace dkim
