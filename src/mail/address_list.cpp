#include "mail/address_list.hpp"

#include "base/text.hpp"
#include "mail/path.hpp"

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
    };
    Text outside, inside;
    bool bracketed = false;
};

void finish(Member& member, AddressList& out) {
    const Member::Text& found = member.bracketed ? member.inside : member.outside;
    const std::string text(base::trim(found.text));
    const AddressList::Span place = found.place;
    const bool empty = text.empty();
    member = {};
    if (empty) return;
    const PathOptions tolerant{PathOptions::Utf8::Allow, PathOptions::Form::Tolerant};
    // A source route ("@a,@b:user@c") is dropped (RFC 5322 §4.4).
    const auto colon = text.starts_with('@') ? text.find(':') : std::string::npos;
    auto address = parse_mailbox(colon == std::string::npos ? text : text.substr(colon + 1), tolerant);
    if (!address) {
        out.wrong.push_back(text);
        return;
    }
    out.addresses.push_back(std::move(*address));
    out.places.push_back(place);
}

}  // namespace

AddressList parse_address_list(std::string_view text) {
    AddressList out;
    Member member;
    int comment = 0;
    bool quoted = false, angle = false;
    std::size_t opened = 0;  // where what is open now began
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        Member::Text& to = angle ? member.inside : member.outside;
        if (c == '\\' && i + 1 < text.size()) {
            ++i;
            if (comment == 0) {
                to.add(c, i - 1);
                to.add(text[i], i);
            }
        } else if (comment > 0) {
            comment += c == '(' ? 1 : c == ')' ? -1 : 0;
        } else if (quoted) {
            to.add(c, i);
            quoted = c != '"';
        } else if (c == '"') {
            to.add(c, i);
            quoted = true;
            opened = i;
        } else if (c == '(') {
            ++comment;
            opened = i;
        } else if (c == '<' && !angle) {
            angle = member.bracketed = true;
            opened = i;
        } else if (c == '>' && angle) {
            angle = false;
        } else if ((c == ',' || c == ';') && !angle) {
            finish(member, out);
        } else if (c == ':' && !angle) {
            member = {};  // a group's name
        } else if (!base::is_space(c)) {
            if (joins(c) && !to.text.empty() && to.text.back() == ' ') to.text.pop_back();
            to.add(c, i);
        } else if (!to.text.empty() && to.text.back() != ' ' && !joins(to.text.back())) {
            to.add(' ', i);
        }
    }
    finish(member, out);
    if (quoted || angle || comment > 0) out.unclosed = opened;
    return out;
}

}  // namespace mail
