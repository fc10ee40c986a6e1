#include "content/content_filter.hpp"

#include "base/text.hpp"
#include "mail/address_list.hpp"

#include <algorithm>
#include <span>

namespace content {
namespace {

using Kind = CheckAction::Kind;
using Block = mail::MimePiece::Block;

constexpr std::string_view sender_fields[] = {"From",
                                              "Sender",
                                              "Reply-To",
                                              "Errors-To",
                                              "Return-Receipt-To",
                                              "Mail-Followup-To",
                                              "Resent-From",
                                              "Resent-Sender",
                                              "Resent-Reply-To",
                                              "Disposition-Notification-To"};
constexpr std::string_view recipient_fields[] = {"To",        "Cc",        "Bcc",       "Apparently-To",
                                                 "Resent-To", "Resent-Cc", "Resent-Bcc"};

bool among(std::span<const std::string_view> names, std::string_view name) {
    return std::ranges::any_of(names, [&](auto one) { return base::iequals(one, name); });
}

std::string_view line_end_of(std::string_view text) {
    return text.ends_with("\r\n") ? "\r\n" : text.ends_with('\n') ? "\n" : "";
}

/// As tables see a field: LF between its lines, none at its end.
std::string for_lookup(std::string_view text) {
    text.remove_suffix(line_end_of(text).size());
    std::string out(text);
    for (std::size_t at = out.find("\r\n"); at != std::string::npos; at = out.find("\r\n", at))
        out.erase(at, 1);
    return out;
}

/// What a table gives, as lines of a message: line ends only where the next line is a fold.
std::string for_message(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const bool fold = c == '\n' && i + 1 < text.size() && (text[i + 1] == ' ' || text[i + 1] == '\t');
        if (fold)
            out += "\r\n";
        else
            out += c == '\n' || c == '\r' || c == '\0' ? ' ' : c;
    }
    return out;
}

}  // namespace

ContentFilter::ContentFilter(std::shared_ptr<const ContentRules> rules, Rewrite rewrite)
    : rules_(std::move(rules)),
      rewrite_(std::move(rewrite)),
      splitter_(rules_->checks.follows_parts() ? mail::MimeSplitter::Follow::Parts
                                               : mail::MimeSplitter::Follow::Nothing,
                rules_->limits) {}

env::Task<void> ContentFilter::feed(std::string_view octets, std::string& out) {
    splitter_.feed(octets);
    co_await drain(out);
}

env::Task<void> ContentFilter::end(std::string& out) {
    splitter_.finish();
    co_await drain(out);
}

env::Task<void> ContentFilter::drain(std::string& out) {
    using PieceKind = mail::MimePiece::Kind;
    while (const auto piece = splitter_.next()) {
        if (ended_) continue;  // nothing of it goes on
        const std::string_view text = piece->text;
        if (piece->kind == PieceKind::Header) {
            if (stays(text, piece->block)) {
                out += text;
                continue;
            }
            std::string whole(text);
            co_await field(std::move(whole), piece->block, out);
        } else if (piece->kind == PieceKind::Body && rules_->checks.any_for_body()) {
            std::string one(text);
            co_await line(std::move(one), piece->segment, out);
        } else {
            out += text;
        }
        if (piece->kind == PieceKind::EndOfHeader) passes_ = !rules_->checks.follows_parts();
    }
}

void ContentFilter::note(std::string_view word, std::string what, std::string text) {
    constexpr std::size_t notes_max = 100;  // of one message
    if (notes_.size() < notes_max) notes_.push_back({std::string(word), std::move(what), std::move(text)});
}

void ContentFilter::fail(const std::string& why) {
    note("warning", "table lookup problem", why);
    failure_ = why;
    ended_ = true;
}

ContentFilter::Fate ContentFilter::act(const CheckAction&, std::string&) { return Fate::Unsupported; }

bool ContentFilter::apply(const FoundCheck& found, std::string_view where, std::string& text,
                          std::string& out) {
    const CheckAction& action = found.action;
    const auto warn = [&](std::string_view what) {
        note("warning", std::string(what) + " in " + std::string(found.parameter) + " map", action.text);
        return true;
    };
    const std::string seen = std::string(where) + " " + for_lookup(text);
    const bool misfit = where == "header" && (action.kind == Kind::Replace || action.kind == Kind::Prepend) &&
                        mail::field_name(action.text).empty();
    if (action.kind == Kind::Unknown || misfit) return warn("unknown command");
    std::string said = action.text;
    bool goes_on = true;
    switch (action.kind) {
        case Kind::None:
            return true;
        case Kind::Ignore:
            return false;
        case Kind::Strip:
            goes_on = false;
            break;
        case Kind::Replace:
            text = for_message(action.text) + "\r\n";
            break;
        case Kind::Prepend:
            out += for_message(action.text) + "\r\n";
            break;
        case Kind::Warn:
        case Kind::Info:
            break;
        default: {
            const Fate fate = act(action, said);
            if (fate == Fate::Unsupported)
                return warn("unsupported command " + base::upper(to_text(action.kind)));
            ended_ = fate == Fate::Ends;
            goes_on = !ended_;
        }
    }
    note(to_text(action.kind), seen, said);
    return goes_on;
}

/// Nothing can change this field.
bool ContentFilter::stays(std::string_view text, Block block) const {
    if (rules_->checks.any_for_fields()) return false;
    if (block != Block::Primary) return true;
    const std::string_view name = mail::field_name(text);
    if (rewrite_ && (among(sender_fields, name) || among(recipient_fields, name))) return false;
    return !is_dropped(name);
}

bool ContentFilter::is_dropped(std::string_view name) const {
    return std::ranges::any_of(rules_->dropped_fields,
                               [&](const auto& one) { return base::iequals(one, name); });
}

env::Task<void> ContentFilter::field(std::string text, Block block, std::string& out) {
    auto action = co_await rules_->checks.check_field(for_lookup(text), block);
    if (!action) {
        fail(action.error());
        co_return;
    }
    if (!apply(*action, "header", text, out)) co_return;
    if (block == Block::Primary) {
        if (is_dropped(mail::field_name(text))) co_return;
        if (rewrite_) text = co_await rewritten(std::move(text));
    }
    out += text;
}

env::Task<std::string> ContentFilter::rewritten(std::string field) {
    const std::string_view name = mail::field_name(field);
    const bool sender = among(sender_fields, name);
    if (!sender && !among(recipient_fields, name)) co_return field;
    const std::size_t value_at = field.find(':') + 1;
    const auto list = mail::parse_address_list(std::string_view(field).substr(value_at));
    const auto role = sender ? routing::AddressRole::HeaderSender : routing::AddressRole::HeaderRecipient;
    std::string out;
    std::size_t copied = 0;
    for (std::size_t i = 0; i < list.addresses.size(); ++i) {
        mail::Address address = list.addresses[i];
        auto changed = co_await rewrite_(std::move(address), role);
        if (!changed) {
            fail(changed.error());
            co_return field;
        }
        if (*changed == list.addresses[i]) continue;
        out += field.substr(copied, value_at + list.places[i].begin - copied) + changed->text();
        copied = value_at + list.places[i].end;
    }
    out += field.substr(copied);
    co_return out;
}

env::Task<void> ContentFilter::line(std::string text, std::size_t segment, std::string& out) {
    if (segment != segment_) {
        segment_ = segment;
        segment_octets_ = 0;
    }
    const bool looked_at = !rules_->body_octets || segment_octets_ < *rules_->body_octets;
    segment_octets_ += text.size();
    if (looked_at) {
        auto action = co_await rules_->checks.check_line(for_lookup(text));
        if (!action) {
            fail(action.error());
            co_return;
        }
        if (!apply(*action, "body", text, out)) co_return;
    }
    out += text;
}

env::Task<std::string> ContentFilter::own_field(std::string text) {
    if (stays(text, Block::Primary)) co_return text;
    std::string out;
    co_await field(std::move(text), Block::Primary, out);
    co_return out;
}

}  // namespace content
