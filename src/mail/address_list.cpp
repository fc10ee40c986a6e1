#include "mail/address_list.hpp"

#include "base/text.hpp"
#include "mail/path.hpp"

namespace mail {
namespace {

// White space and comments may stand on both sides of these (RFC 5322 §3.2.3, §4.4).
constexpr bool joins(char c) { return c == '@' || c == '.'; }

/// One list member, collected until its comma: what stands in <> wins over what stands outside.
struct Member {
    std::string outside, inside;
    bool bracketed = false;
};

void finish(Member& member, AddressList& out) {
    const std::string text(base::trim(member.bracketed ? member.inside : member.outside));
    const bool empty = text.empty();
    member = {};
    if (empty) return;
    const PathOptions tolerant{PathOptions::Utf8::Allow, PathOptions::Form::Tolerant};
    // A source route ("@a,@b:user@c") is dropped (RFC 5322 §4.4).
    const auto colon = text.starts_with('@') ? text.find(':') : std::string::npos;
    auto address = parse_mailbox(colon == std::string::npos ? text : text.substr(colon + 1), tolerant);
    if (address)
        out.addresses.push_back(std::move(*address));
    else
        out.wrong.push_back(text);
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
        std::string& to = angle ? member.inside : member.outside;
        if (c == '\\' && i + 1 < text.size()) {
            ++i;
            if (comment == 0) {
                to += c;
                to += text[i];
            }
        } else if (comment > 0) {
            comment += c == '(' ? 1 : c == ')' ? -1 : 0;
        } else if (quoted) {
            to += c;
            quoted = c != '"';
        } else if (c == '"') {
            to += c;
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
            if (joins(c) && !to.empty() && to.back() == ' ') to.pop_back();
            to += c;
        } else if (!to.empty() && to.back() != ' ' && !joins(to.back())) {
            to += ' ';
        }
    }
    finish(member, out);
    if (quoted || angle || comment > 0) out.unclosed = opened;
    return out;
}

}  // namespace mail
