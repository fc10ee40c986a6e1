#include "policy/message_filter.hpp"

#include "base/result.hpp"
#include "base/text.hpp"
#include "mail/address_list.hpp"

#include <algorithm>
#include <span>

namespace policy {
namespace {

using Kind = CheckAction::Kind;
using Block = mail::MimePiece::Block;

constexpr std::string_view sender_fields[] = {"From",
                                              "Sender",
                                              "Reply-To",
                                              "Errors-To",
                                              "Return-Receipt-To",
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

mail::MimeSplitterLimits limits_of(const FilterOptions& options) {
    return {options.header_octets, options.line_octets, options.boundary_octets, options.nesting};
}

}  // namespace

std::expected<std::shared_ptr<const FilterRules>, std::string> make_filter_rules(FilterOptions options,
                                                                                 tables::Factory& factory) {
    auto out = std::make_shared<FilterRules>();
    constexpr std::string_view known[] = {"no_unknown_recipient_checks", "no_address_mappings",
                                          "no_header_body_checks", "no_milters"};
    for (const auto& word : options.overrides)
        if (std::ranges::find(known, word) == std::end(known))
            return std::unexpected("receive_override_options: '" + base::printable(word, 60) +
                                   "' is none of its words");
    if (!options.overridden("no_header_body_checks")) {
        TRY_ASSIGN(out->checks, HeaderChecks::make(options, factory));
    }
    out->options = std::move(options);
    return out;
}

MessageFilter::MessageFilter(std::shared_ptr<const FilterRules> rules, Rewrite rewrite)
    : rules_(std::move(rules)),
      rewrite_(std::move(rewrite)),
      splitter_(rules_->checks.follows_parts() ? mail::MimeSplitter::Follow::Parts
                                               : mail::MimeSplitter::Follow::Nothing,
                limits_of(rules_->options)) {}

env::Task<void> MessageFilter::feed(std::string_view octets, std::string& out) {
    splitter_.feed(octets);
    co_await drain(out);
}

env::Task<void> MessageFilter::end(std::string& out) {
    splitter_.finish();
    co_await drain(out);
}

env::Task<void> MessageFilter::drain(std::string& out) {
    using PieceKind = mail::MimePiece::Kind;
    while (const auto piece = splitter_.next()) {
        if (refusal_ || effects_.discard) continue;  // nothing of it is kept
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

void MessageFilter::note(std::string_view word, std::string what, std::string text) {
    constexpr std::size_t notes_max = 100;  // of one message
    if (notes_.size() < notes_max) notes_.push_back({std::string(word), std::move(what), std::move(text)});
}

void MessageFilter::fail(const std::string& why) {
    note("warning", "table lookup problem", why);
    refusal_ = mail::ReplyText{451, {4, 3, 0}, "Error: queue file write error"};
}

bool MessageFilter::apply(const CheckAction& action, std::string_view where, std::string& text,
                          std::string& out) {
    if (action.kind == Kind::None) return true;
    const std::string seen = std::string(where) + " " + for_lookup(text);
    const bool header = where == "header";
    const bool misfit = header && (action.kind == Kind::Replace || action.kind == Kind::Prepend) &&
                        mail::field_name(action.text).empty();
    if (action.kind == Kind::Unknown || misfit) {
        note("warning", "unknown command in " + std::string(where) + "_checks map", action.text);
        return true;
    }
    std::string said = action.text;
    if (action.kind == Kind::Reject) {
        refusal_ = rejection(action.text);
        said = refusal_->status.text() + " " + refusal_->text;
    }
    if (action.kind != Kind::Ignore) note(to_text(action.kind), seen, said);
    const std::string lines = for_message(action.text) + "\r\n";
    switch (action.kind) {
        case Kind::Reject:
        case Kind::Ignore:
        case Kind::Strip:
            return false;
        case Kind::Discard:
            effects_.discard = true;
            return false;
        case Kind::Replace:
            text = lines;
            break;
        case Kind::Prepend:
            out += lines;
            break;
        case Kind::Filter:
            effects_.filter = action.text;
            break;
        case Kind::Redirect:
            effects_.redirect = action.text;
            break;
        case Kind::Bcc:
            effects_.bcc.push_back(action.text);
            break;
        case Kind::Hold:
            effects_.hold = true;
            break;
        default:
            break;
    }
    return true;
}

/// Nothing can change this field.
bool MessageFilter::stays(std::string_view text, Block block) const {
    if (rules_->checks.any_for_fields()) return false;
    if (block != Block::Primary) return true;
    const std::string_view name = mail::field_name(text);
    if (rewrite_ && (among(sender_fields, name) || among(recipient_fields, name))) return false;
    return std::ranges::none_of(rules_->options.dropped_headers,
                                [&](const auto& one) { return base::iequals(one, name); });
}

env::Task<void> MessageFilter::field(std::string text, Block block, std::string& out) {
    auto action = co_await rules_->checks.check_field(for_lookup(text), block);
    if (!action) {
        fail(action.error());
        co_return;
    }
    if (!apply(*action, "header", text, out)) co_return;
    if (block == Block::Primary) {
        const std::string_view name = mail::field_name(text);
        const auto is_name = [&](const auto& one) { return base::iequals(one, name); };
        if (std::ranges::any_of(rules_->options.dropped_headers, is_name)) co_return;
        if (rewrite_) text = co_await rewritten(std::move(text));
    }
    out += text;
}

env::Task<std::string> MessageFilter::rewritten(std::string field) {
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

env::Task<void> MessageFilter::line(std::string text, std::size_t segment, std::string& out) {
    if (segment != segment_) {
        segment_ = segment;
        segment_octets_ = 0;
    }
    const bool looked_at = segment_octets_ < rules_->options.body_checks_octets;
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

env::Task<std::string> MessageFilter::own_field(std::string text) {
    if (stays(text, Block::Primary)) co_return text;
    std::string out;
    co_await field(std::move(text), Block::Primary, out);
    co_return out;
}

}  // namespace policy
