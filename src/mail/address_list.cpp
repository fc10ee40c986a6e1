#include "mail/address_list.hpp"

#include "base/text.hpp"
#include "mail/mime_value.hpp"
#include "mail/path.hpp"

#include <algorithm>

namespace mail {
namespace {

// White space and comments may stand on both sides of these (RFC 5322 §3.2.3, §4.4).
constexpr bool joins(char c) { return c == '@' || c == '.'; }

/// One list member, collected until its comma: what stands in <> wins over what stands outside.
struct Member {
    struct Text {
        std::string text;
        AddressList::Span place{0, 0};
        void add(char c, std::size_t at) {
            if (text.empty()) place.begin = at;
            text += c;
            if (c != ' ') place.end = at + 1;
        }
        /// White space and comments.
        void gap(std::size_t at) {
            if (!text.empty() && text.back() != ' ' && !joins(text.back())) add(' ', at);
        }
    };
    Text outside, inside;
    std::string phrase, comment;
    bool bracketed = false;
};

void space(std::string& text) {
    if (!text.empty() && text.back() != ' ') text += ' ';
}

class ListReader {
 public:
    explicit ListReader(std::string_view text) : text_(text) {}
    AddressList read() {
        for (std::size_t i = 0; i < text_.size(); ++i) i = octet(i);
        finish_member();
        if (quoted_ || angle_ || comment_depth_ > 0) out_.unclosed = opened_;
        return std::move(out_);
    }

 private:
    /// Returns the last octet it took.
    std::size_t octet(std::size_t at) {
        const char c = text_[at];
        if (comment_depth_ > 0) return in_comment(at);
        if (c == '\\' && at + 1 < text_.size()) {
            take(c, at);
            take(text_[at + 1], at + 1);
            return at + 1;
        }
        if (quoted_) {
            take(c, at);
            quoted_ = c != '"';
        } else {
            return plain(at);
        }
        return at;
    }
    std::size_t in_comment(std::size_t at) {
        char c = text_[at];
        if (c == '\\' && at + 1 < text_.size()) {
            c = text_[++at];
            member_.comment += c;
            return at;
        }
        comment_depth_ += c == '(' ? 1 : c == ')' ? -1 : 0;
        if (base::is_space(c) || comment_depth_ == 0)
            space(member_.comment);
        else
            member_.comment += c;
        return at;
    }
    std::size_t plain(std::size_t at) {
        const char c = text_[at];
        Member::Text& to = angle_ ? member_.inside : member_.outside;
        if (c == '"') {
            take(c, at);
            quoted_ = true;
            opened_ = at;
        } else if (c == '(') {
            ++comment_depth_;
            opened_ = at;
        } else if (c == '<' && !angle_) {
            angle_ = member_.bracketed = true;
            opened_ = at;
        } else if (c == '>' && angle_) {
            angle_ = false;
        } else if (c == '[' && to.text.ends_with('@')) {
            const std::size_t end = at + std::max<std::size_t>(literal_octets(text_.substr(at)), 1);
            for (; at < end; ++at) take(text_[at], at);
            return end - 1;
        } else if ((c == ',' || c == ';') && !angle_) {
            finish_member();
            if (c == ';') group_.reset();
        } else if (c == ':' && !angle_) {
            begin_group();
        } else if (base::is_space(c)) {
            to.gap(at);
            if (!angle_) space(member_.phrase);
        } else {
            if (joins(c) && !to.text.empty() && to.text.back() == ' ') to.text.pop_back();
            take(c, at);
        }
        return at;
    }
    void take(char c, std::size_t at) {
        (angle_ ? member_.inside : member_.outside).add(c, at);
        if (!angle_) member_.phrase += c;
    }
    void begin_group() {
        group_ = out_.groups.size();
        out_.groups.emplace_back(base::trim(member_.phrase));
        member_ = {};
    }
    void finish_member();

    std::string_view text_;
    AddressList out_;
    Member member_;
    std::optional<std::size_t> group_;
    int comment_depth_ = 0;
    bool quoted_ = false, angle_ = false;
    std::size_t opened_ = 0;  // where what is open now began
};

void ListReader::finish_member() {
    const Member::Text& found = member_.bracketed ? member_.inside : member_.outside;
    const std::string text(base::trim(found.text));
    const AddressList::Span place = found.place;
    AddressList::Beside beside{{}, decode_encoded_words(base::trim(member_.comment)), group_};
    if (member_.bracketed) beside.phrase = base::trim(member_.phrase);
    member_ = {};
    if (text.empty()) return;
    const PathOptions tolerant{PathOptions::Utf8::Allow, PathOptions::Form::Tolerant};
    // A source route ("@a,@b:user@c") is dropped (RFC 5322 §4.4).
    const auto colon = text.starts_with('@') ? text.find(':') : std::string::npos;
    auto address = parse_mailbox(colon == std::string::npos ? text : text.substr(colon + 1), tolerant);
    if (!address) {
        if (out_.wrong.empty()) out_.wrong_at = place.begin;
        out_.wrong.push_back(text);
        return;
    }
    out_.addresses.push_back(std::move(*address));
    out_.places.push_back(place);
    out_.beside.push_back(std::move(beside));
}

}  // namespace

AddressList parse_address_list(std::string_view text) { return ListReader(text).read(); }

std::string display_name(std::string_view phrase) {
    std::string out, words;
    const auto decoded = [&] {
        // White space at the ends of the piece stays: it parts the words of the phrase.
        out += decode_encoded_words(words);
        words.clear();
    };
    bool quoted = false;
    for (std::size_t i = 0; i < phrase.size(); ++i) {
        const char c = phrase[i];
        if (c == '\\' && i + 1 < phrase.size()) {
            (quoted ? out : words) += phrase[++i];
        } else if (c == '"') {
            decoded();
            quoted = !quoted;
        } else if (!quoted) {
            words += c;
        } else if (c != '\r' && c != '\n') {  // folding (RFC 5322 §3.2.4)
            out += c;
        }
    }
    decoded();
    return out;
}

std::size_t literal_octets(std::string_view text) {
    if (!text.starts_with('[')) return 0;
    const auto end = std::ranges::find_if(
        text.substr(1), [](char c) { return !base::is_alnum(c) && c != ':' && c != '.' && c != '-'; });
    const auto octets = static_cast<std::size_t>(end - text.begin());
    return octets < text.size() && text[octets] == ']' ? octets + 1 : 0;
}

}  // namespace mail
