#include "queue/maildrop.hpp"

#include "base/text.hpp"
#include "mail/path.hpp"

namespace queue {
namespace {

constexpr std::string_view mark = "postrider 1";
constexpr mail::PathOptions any_address{mail::PathOptions::Utf8::Allow, mail::PathOptions::Form::Tolerant};

}  // namespace

std::string encode(const DroppedMessage& message) {
    const auto& envelope = message.envelope;
    std::string out(mark);
    out += "\nS " + envelope.sender.text() + "\n";
    const auto notify =
        envelope.recipients.empty() ? mail::Notify::Default : envelope.recipients.front().notify;
    for (const auto& recipient : envelope.recipients) out += "R " + recipient.address.text() + "\n";
    out += "N " + std::to_string(static_cast<unsigned>(notify)) + "\nT " +
           std::to_string(static_cast<unsigned>(envelope.dsn_return)) + "\n";
    if (!envelope.dsn_envelope_id.empty()) out += "E " + envelope.dsn_envelope_id + "\n";
    if (envelope.smtputf8) out += "U 1\n";
    return out + "\n" + message.content;
}

std::optional<DroppedMessage> decode_dropped(std::string_view text) {
    DroppedMessage out;
    bool first = true;
    auto notify = mail::Notify::Default;
    for (;;) {
        const auto end = text.find('\n');
        if (end == std::string_view::npos) return std::nullopt;
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(end + 1);
        if (first && line != mark) return std::nullopt;
        if (std::exchange(first, false)) continue;
        if (line.empty()) break;
        if (line.size() < 2 || line[1] != ' ') return std::nullopt;
        const std::string_view value = line.substr(2);
        if (line[0] == 'S') {
            if (value.empty()) continue;
            auto address = mail::parse_mailbox(value, any_address);
            if (!address) return std::nullopt;
            out.envelope.sender = mail::ReversePath(std::move(*address));
        } else if (line[0] == 'R') {
            auto address = mail::parse_mailbox(value, any_address);
            if (!address || out.envelope.recipients.size() >= maildrop_recipients_max) return std::nullopt;
            mail::Recipient recipient;
            recipient.original = *address;
            recipient.address = std::move(*address);
            out.envelope.recipients.push_back(std::move(recipient));
        } else if (line[0] == 'N' || line[0] == 'T') {
            const auto number = base::parse_number(value, line[0] == 'N' ? 14 : 2);
            if (!number) return std::nullopt;
            if (line[0] == 'N')
                notify = static_cast<mail::Notify>(*number);
            else
                out.envelope.dsn_return = static_cast<mail::DsnReturn>(*number);
        } else if (line[0] == 'E') {
            out.envelope.dsn_envelope_id = base::printable(value, 100);
        } else if (line[0] == 'U') {
            out.envelope.smtputf8 = true;
        } else {
            return std::nullopt;
        }
    }
    if (out.envelope.recipients.empty()) return std::nullopt;
    for (auto& recipient : out.envelope.recipients) recipient.notify = notify;
    out.content = text;
    return out;
}

}  // namespace queue
