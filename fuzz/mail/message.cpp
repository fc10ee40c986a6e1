// What a submitted message holds: headers, address lists, the form for the wire.
#include "mail/address_list.hpp"
#include "mail/header.hpp"
#include "mail/submitted_message.hpp"
#include "mail/xtext.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    mail::HeaderScanner whole, pieces;
    whole.feed(input);
    whole.finish();
    for (const char c : input) pieces.feed({&c, 1});
    pieces.finish();
    if (whole.received_count() != pieces.received_count() || whole.message_id() != pieces.message_id())
        std::abort();
    mail::parse_address_list(input);
    mail::header_recipients(input);
    for (const auto end : {mail::EndOfInput::LoneDot, mail::EndOfInput::EndOfFile}) {
        const std::string wire = mail::to_wire(input, end);
        for (std::size_t i = 0; i < wire.size(); ++i)
            if (wire[i] == '\n' && (i == 0 || wire[i - 1] != '\r')) std::abort();
    }
    mail::MissingFields missing;
    missing.from = "a@example.org";
    missing.message_id = "<1@example.org>";
    mail::complete_header(input, missing);
    const auto plain = mail::decode_xtext(input);
    if (plain && mail::decode_xtext(mail::encode_xtext(*plain)) != plain) std::abort();
    return 0;
}
