// The client session against a hostile server: it always ends, and delivers only what was confirmed.
#include "smtp/client_session.hpp"

#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
    smtp::ClientSettings settings;
    settings.host = "mx";
    settings.nonce = "n";
    if (data[0] & 1) settings.protocol = smtp::ClientSettings::Protocol::Lmtp;
    if (data[0] & 2) settings.credentials = sasl::Credentials{"user", "pencil"};
    if (data[0] & 4) settings.tls = smtp::ClientSettings::Tls::Must;
    if (data[0] & 8) settings.encrypted = true;
    smtp::ClientSession session(settings);
    smtp::ClientMessage message;
    for (int i = 0; i < 1 + data[0] % 5; ++i) {
        mail::Recipient recipient;
        recipient.address = {"u" + std::to_string(i), "far.example"};
        message.recipients.push_back(recipient);
    }
    smtp::ReplyParser parser;
    smtp::ClientStep step = session.start();
    bool content = false;
    int sent = 0;
    using Next = smtp::ClientStep::Next;
    for (int steps = 0; steps < 500; ++steps) {
        if (step.next == Next::Failed || step.next == Next::Closed) break;
        if (step.next == Next::StartTls) {
            step = session.on_tls();
        } else if (step.next == Next::Content) {
            content = true;
            step = session.on_content_sent();
        } else if (step.next == Next::Ready || step.next == Next::Finished) {
            for (const auto& result : session.results())
                if (result.delivered && (!content || !result.reply || !result.reply->positive()))
                    std::abort();
            content = false;
            step = sent++ < 2 && session.reusable() ? session.send(message) : session.quit();
        } else {
            std::size_t used = 0;
            const auto result = parser.feed(input, used);
            input.remove_prefix(used);
            if (result != smtp::ReplyParser::Result::Complete) return 0;
            const auto reply = parser.take();
            for (const auto& line : reply.lines)
                if (line.find("aT0") != std::string::npos)
                    return 0;  // "i=" in base64: an iteration count costs time
            step = session.on_reply(reply);
        }
    }
    return 0;
}
