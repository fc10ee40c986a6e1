#include "mail/dsn_reader.hpp"

#include "base/text.hpp"

#include <algorithm>

namespace mail {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;  // names lower case

/// Blocks of fields between empty lines.
std::vector<Fields> split_blocks(std::string_view text, const ReturnedLimits& limits) {
    std::vector<Fields> out;
    bool open = false;
    std::size_t at = 0;
    while (at < text.size()) {
        const auto end = std::min(text.find('\n', at), text.size());
        std::string_view line = text.substr(at, end - at);
        at = end + 1;
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (base::trim(line).empty()) {
            open = false;
            continue;
        }
        if (!open) {
            if (out.size() > limits.recipients_max) return out;
            out.emplace_back();
            open = true;
        }
        Fields& fields = out.back();
        if (line.front() == ' ' || line.front() == '\t') {
            if (!fields.empty() && fields.back().second.size() < limits.value_octets_max)
                fields.back().second += " " + std::string(base::trim(line));
            continue;
        }
        const auto colon = line.find(':');
        if (colon == std::string_view::npos) continue;
        fields.emplace_back(base::lower(base::trim(line.substr(0, colon))),
                            base::trim(line.substr(colon + 1)).substr(0, limits.value_octets_max));
    }
    return out;
}

std::string value_of(const Fields& fields, std::string_view name) {
    for (const auto& [key, value] : fields)
        if (key == name) return value;
    return {};
}

bool is_address_char(char c) {
    return base::is_alnum(c) || std::string_view("!#$%&'*+-/=?^_`{|}~.@").find(c) != std::string_view::npos;
}

bool looks_like_address(std::string_view text) {
    const auto at = text.find('@');
    return at != std::string_view::npos && at > 0 && at + 1 < text.size() &&
           text.find('@', at + 1) == text.npos && text.find('.', at) != std::string_view::npos &&
           !text.ends_with('.') && !base::istarts_with(text, "mailer-daemon@") &&
           !base::istarts_with(text, "postmaster@");
}

/// Addresses in prose, up to where the returned message begins.
std::vector<std::string> addresses_in(std::string_view text, std::size_t mentioned_max) {
    std::vector<std::string> out;
    std::size_t at = 0;
    while (at < text.size() && out.size() < mentioned_max) {
        const auto end = std::min(text.find('\n', at), text.size());
        const std::string_view line = text.substr(at, end - at);
        at = end + 1;
        if (base::istarts_with(line, "Received:") || base::istarts_with(line, "Return-Path:") ||
            base::istarts_with(line, "Message-ID:"))
            break;
        std::size_t from = 0;
        while (from < line.size()) {
            const auto* begin = std::ranges::find_if(line.substr(from), is_address_char);
            from = static_cast<std::size_t>(begin - line.data());
            auto to = from;
            while (to < line.size() && is_address_char(line[to])) ++to;
            std::string_view word = line.substr(from, to - from);
            while (!word.empty() && (word.front() == '\'' || word.front() == '.')) word.remove_prefix(1);
            while (!word.empty() && (word.back() == '\'' || word.back() == '.')) word.remove_suffix(1);
            if (looks_like_address(word) && out.size() < mentioned_max &&
                std::ranges::find(out, word) == out.end())
                out.emplace_back(word);
            from = to;
        }
    }
    return out;
}

const MimeEntity* find_part(const MimeEntity& entity, std::string_view type) {
    if (entity.type == type) return &entity;
    if (!entity.type.starts_with("multipart/")) return nullptr;
    for (const auto& part : entity.parts)
        if (const auto* found = find_part(part, type)) return found;
    return nullptr;
}

/// RFC 3834 §5; and those who wrote before it.
bool is_automatic_reply(std::string_view header) {
    const auto submitted = parse_parameterized(field_value(header, "Auto-Submitted")).first;
    const auto subject = base::lower(decode_encoded_words(field_value(header, "Subject")));
    return submitted == "auto-replied" || !field_value(header, "X-Autoreply").empty() ||
           !field_value(header, "X-Autorespond").empty() || subject.starts_with("auto:") ||
           subject.starts_with("automatic reply") || subject.starts_with("out of office");
}

/// From who writes bounces; some mark them as automatic answers, which they are, too.
bool is_from_mail_system(std::string_view header) {
    const auto from = base::lower(field_value(header, "From"));
    for (const auto word : {"mailer-daemon", "postmaster", "post_master", "mail delivery", "maildelivery",
                            "mail administrator"})
        if (from.find(word) != std::string::npos) return true;
    return !field_value(header, "X-Failed-Recipients").empty();
}

bool is_from_nobody(std::string_view header) { return field_value(header, "Return-Path") == "<>"; }

std::string address_in(std::string_view typed) {
    const auto semicolon = typed.find(';');
    auto text = base::trim(semicolon == std::string_view::npos ? typed : typed.substr(semicolon + 1));
    if (text.starts_with('<') && text.ends_with('>')) text = text.substr(1, text.size() - 2);
    return std::string(text);
}

}  // namespace

std::string_view to_text(ReturnedMail::Kind kind) {
    constexpr std::string_view words[] = {"none", "delivery-status", "feedback-report", "auto-reply",
                                          "prose"};
    return words[static_cast<std::size_t>(kind)];
}

std::string ReturnedRecipient::address() const {
    return address_in(final_recipient.empty() ? original_recipient : final_recipient);
}

void read_delivery_status(std::string_view part, const ReturnedLimits& limits, ReturnedMail& out) {
    for (const auto& fields : split_blocks(part.substr(0, limits.status_octets_max), limits)) {
        const auto get = [&](std::string_view name) { return value_of(fields, name); };
        // Some write both kinds of fields without an empty line between.
        if (out.reporting_mta.empty()) out.reporting_mta = get("reporting-mta");
        if (out.original_envelope_id.empty()) out.original_envelope_id = get("original-envelope-id");
        if (out.arrival_date.empty()) out.arrival_date = get("arrival-date");
        ReturnedRecipient one{get("original-recipient"),  get("final-recipient"),
                              base::lower(get("action")), get("status"),
                              get("remote-mta"),          get("diagnostic-code"),
                              get("last-attempt-date"),   get("will-retry-until")};
        if (one.final_recipient.empty() && one.original_recipient.empty() && one.action.empty()) continue;
        if (out.recipients.size() < limits.recipients_max) out.recipients.push_back(std::move(one));
    }
}

ReturnedMail read_returned_mail(std::string_view message, const ReturnedLimits& limits) {
    ReturnedMail out;
    const MimeEntity root = parse_mime(message);
    const auto header = root.header_block(message);
    for (const auto type : {"message/delivery-status", "message/global-delivery-status"})
        if (const auto* part = find_part(root, type); part && out.kind == ReturnedMail::Kind::None) {
            out.kind = ReturnedMail::Kind::DeliveryStatus;
            read_delivery_status(part->decoded(message, limits.status_octets_max), limits, out);
        }
    if (const auto* part = find_part(root, "message/feedback-report");
        part && out.kind == ReturnedMail::Kind::None) {
        out.kind = ReturnedMail::Kind::Feedback;
        for (const auto& fields : split_blocks(part->decoded(message, limits.status_octets_max), limits))
            for (const auto& [name, value] : fields) out.feedback.try_emplace(name, value);
    }
    for (const auto type :
         {"message/rfc822", "text/rfc822-headers", "message/global", "message/rfc822-headers"}) {
        const auto* part = find_part(root, type);
        if (!part || !out.original_message_id.empty()) continue;
        const auto text = part->decoded(message, limits.status_octets_max);
        out.original_message_id =
            field_value(header_block_of(text), "Message-ID").substr(0, limits.value_octets_max);
    }
    if (out.kind != ReturnedMail::Kind::None) return out;
    if (!is_from_mail_system(header)) {
        if (is_automatic_reply(header)) out.kind = ReturnedMail::Kind::AutomaticReply;
        if (out.kind != ReturnedMail::Kind::None || !is_from_nobody(header)) return out;
    }
    out.kind = ReturnedMail::Kind::Prose;
    std::string text = field_value(header, "X-Failed-Recipients") + "\n";
    const auto* plain = find_part(root, "text/plain");
    if (!plain) plain = find_part(root, "text/html");
    text += plain ? plain->decoded(message, limits.status_octets_max) : std::string(root.body(message));
    out.mentioned = addresses_in(text, limits.mentioned_max);
    return out;
}

}  // namespace mail
