#include "queue/record.hpp"

#include "base/result.hpp"

namespace queue {
namespace {

constexpr std::uint8_t version = 1;
constexpr std::uint64_t recipients_max = 1'000'000;
constexpr std::uint8_t flag_utf8 = 1, flag_from_outside = 2, flag_verified = 4, flag_junk = 8;

class Writer {
 public:
    Writer() { byte(version); }
    void byte(std::uint8_t value) { out_ += static_cast<char>(value); }
    void number(std::uint64_t value) {
        while (value >= 0x80) {
            byte(static_cast<std::uint8_t>(value | 0x80));
            value >>= 7;
        }
        byte(static_cast<std::uint8_t>(value));
    }
    void text(std::string_view value) {
        number(value.size());
        out_ += value;
    }
    void time(env::WallTime value) { number(static_cast<std::uint64_t>(value.time_since_epoch().count())); }
    void address(const mail::Address& value) {
        text(value.local_part);
        text(value.domain);
    }
    std::string take() { return std::move(out_); }

 private:
    std::string out_;
};

/// Reads until something is wrong; then every further value is empty and ok() is false.
class Reader {
 public:
    explicit Reader(std::string_view bytes) : rest_(bytes) { version_ = byte(); }
    bool known_version() const { return version_ == version; }
    bool ok() const { return ok_; }
    bool at_end() const { return ok_ && rest_.empty(); }
    std::uint8_t byte() {
        if (rest_.empty()) {
            ok_ = false;
            return 0;
        }
        const auto value = static_cast<std::uint8_t>(rest_.front());
        rest_.remove_prefix(1);
        return value;
    }
    std::uint8_t byte_up_to(std::uint8_t max) {
        const auto value = byte();
        if (value > max) ok_ = false;
        return value > max ? std::uint8_t{0} : value;
    }
    std::uint64_t number() {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            const auto next = byte();
            value |= static_cast<std::uint64_t>(next & 0x7f) << shift;
            if ((next & 0x80) == 0) return value;
        }
        ok_ = false;
        return 0;
    }
    std::string text() {
        const auto size = number();
        if (!ok_ || size > rest_.size()) {
            ok_ = false;
            return {};
        }
        std::string out(rest_.substr(0, static_cast<std::size_t>(size)));
        rest_.remove_prefix(static_cast<std::size_t>(size));
        return out;
    }
    env::WallTime time() {
        return env::WallTime(std::chrono::nanoseconds(static_cast<std::int64_t>(number())));
    }
    mail::Address address() {
        mail::Address out;
        out.local_part = text();
        out.domain = text();
        return out;
    }

 private:
    std::string_view rest_;
    bool ok_ = true;
    std::uint8_t version_ = 0;
};

template <class T>
std::expected<T, RecordError> finish(const Reader& reader, T value) {
    if (!reader.known_version()) return std::unexpected(RecordError::UnknownVersion);
    if (!reader.at_end()) return std::unexpected(RecordError::Malformed);
    return value;
}

std::string big_endian(std::uint32_t value) {
    std::string out;
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xff);
    return out;
}

}  // namespace

std::string envelope_key(const QueueId& id) { return id.text(); }
std::string state_key(const QueueId& id) { return id.text() + std::string("\0s", 2); }
std::string recipient_key(const QueueId& id, std::uint32_t index) {
    return id.text() + std::string("\0r", 2) + big_endian(index);
}
std::string body_key(const QueueId& id, std::uint32_t chunk) {
    return id.text() + std::string("\0", 1) + big_endian(chunk);
}
std::string end_key(const QueueId& id) { return id.text() + '\x01'; }
std::string incoming_key(const QueueId& id) { return std::string(incoming_prefix) + id.text(); }

std::optional<EnvelopeKey> parse_key(std::string_view key) {
    const auto nul = key.find('\0');
    const auto id = QueueId::parse(key.substr(0, nul));
    if (!id) return std::nullopt;
    EnvelopeKey out{*id, EnvelopeKey::Kind::Envelope, 0};
    if (nul == std::string_view::npos) return out;
    const std::string_view rest = key.substr(nul + 1);
    if (rest == "s") {
        out.kind = EnvelopeKey::Kind::State;
        return out;
    }
    if (rest.size() != 5 || rest.front() != 'r') return std::nullopt;
    out.kind = EnvelopeKey::Kind::Recipient;
    for (const char c : rest.substr(1)) out.index = out.index << 8 | static_cast<unsigned char>(c);
    return out;
}

std::string encode(const EnvelopeRecord& record) {
    Writer out;
    const auto& envelope = record.envelope;
    out.time(record.arrived);
    out.number(record.size);
    out.number(record.chunks);
    out.byte(envelope.sender.is_null() ? 0 : 1);
    if (!envelope.sender.is_null()) out.address(envelope.sender.address());
    out.byte(static_cast<std::uint8_t>(envelope.body));
    out.byte(static_cast<std::uint8_t>(
        (envelope.smtputf8 ? flag_utf8 : 0) | (envelope.from_outside ? flag_from_outside : 0) |
        (envelope.verified ? flag_verified : 0) | (envelope.junk ? flag_junk : 0)));
    out.byte(static_cast<std::uint8_t>(envelope.dsn_return));
    out.text(envelope.dsn_envelope_id);
    out.text(envelope.content_filter);
    const auto& origin = envelope.origin;
    for (const auto* text : {&origin.client_address, &origin.client_name, &origin.reverse_name, &origin.helo,
                             &origin.protocol, &origin.sasl_method, &origin.sasl_username,
                             &origin.sasl_sender, &origin.tls_protocol, &origin.tls_cipher, &origin.service})
        out.text(*text);
    out.number(origin.client_port);
    out.number(envelope.recipients.size());
    for (const auto& recipient : envelope.recipients) {
        out.address(recipient.address);
        const bool same = recipient.original == recipient.address;
        out.byte(same ? 0 : 1);
        if (!same) out.address(recipient.original);
        out.text(recipient.dsn_original);
        out.byte(static_cast<std::uint8_t>(recipient.notify));
    }
    return out.take();
}

std::expected<EnvelopeRecord, RecordError> decode_envelope(std::string_view bytes) {
    Reader in(bytes);
    EnvelopeRecord out;
    auto& envelope = out.envelope;
    out.arrived = in.time();
    out.size = in.number();
    out.chunks = static_cast<std::uint32_t>(in.number());
    if (in.byte_up_to(1) == 1) envelope.sender = mail::ReversePath(in.address());
    envelope.body = static_cast<mail::BodyType>(in.byte_up_to(2));
    const auto flags = in.byte_up_to(flag_utf8 | flag_from_outside | flag_verified | flag_junk);
    envelope.smtputf8 = (flags & flag_utf8) != 0;
    envelope.from_outside = (flags & flag_from_outside) != 0;
    envelope.verified = (flags & flag_verified) != 0;
    envelope.junk = (flags & flag_junk) != 0;
    envelope.dsn_return = static_cast<mail::DsnReturn>(in.byte_up_to(2));
    envelope.dsn_envelope_id = in.text();
    envelope.content_filter = in.text();
    auto& origin = envelope.origin;
    for (auto* text : {&origin.client_address, &origin.client_name, &origin.reverse_name, &origin.helo,
                       &origin.protocol, &origin.sasl_method, &origin.sasl_username, &origin.sasl_sender,
                       &origin.tls_protocol, &origin.tls_cipher, &origin.service})
        *text = in.text();
    origin.client_port = static_cast<std::uint16_t>(in.number());
    const auto count = in.number();
    if (!in.known_version()) return std::unexpected(RecordError::UnknownVersion);
    if (count > recipients_max) return std::unexpected(RecordError::Malformed);
    for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
        mail::Recipient recipient;
        recipient.address = in.address();
        recipient.original = in.byte_up_to(1) == 1 ? in.address() : recipient.address;
        recipient.dsn_original = in.text();
        recipient.notify = static_cast<mail::Notify>(in.byte_up_to(15));
        envelope.recipients.push_back(std::move(recipient));
    }
    return finish(in, std::move(out));
}

std::string encode(const StateRecord& record) {
    Writer out;
    out.number(record.attempts);
    out.time(record.next_attempt);
    out.byte(static_cast<std::uint8_t>((record.hold ? 1 : 0) | (record.expire ? 2 : 0)));
    out.byte(record.delay_warned ? 1 : 0);
    return out.take();
}

std::expected<StateRecord, RecordError> decode_state(std::string_view bytes) {
    Reader in(bytes);
    StateRecord out;
    out.attempts = static_cast<std::uint32_t>(in.number());
    out.next_attempt = in.time();
    const auto flags = in.byte_up_to(3);
    out.hold = (flags & 1) != 0;
    out.expire = (flags & 2) != 0;
    out.delay_warned = in.byte_up_to(1) == 1;
    return finish(in, out);
}

std::string encode(const RecipientRecord& record) {
    Writer out;
    out.byte(static_cast<std::uint8_t>(record.kind));
    out.number(record.status.class_);
    out.number(record.status.subject);
    out.number(record.status.detail);
    out.text(record.text);
    out.text(record.remote_mta);
    out.text(record.diagnostic);
    out.byte(record.greylisted ? 1 : 0);
    return out.take();
}

std::expected<RecipientRecord, RecordError> decode_recipient(std::string_view bytes) {
    Reader in(bytes);
    RecipientRecord out;
    out.kind = static_cast<RecipientResult::Kind>(in.byte_up_to(3));
    out.status.class_ = static_cast<std::uint16_t>(in.number());
    out.status.subject = static_cast<std::uint16_t>(in.number());
    out.status.detail = static_cast<std::uint16_t>(in.number());
    out.text = in.text();
    out.remote_mta = in.text();
    out.diagnostic = in.text();
    out.greylisted = in.byte_up_to(1) == 1;
    return finish(in, std::move(out));
}

}  // namespace queue
