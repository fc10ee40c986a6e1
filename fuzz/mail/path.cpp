// Paths: what is accepted can be written and read again, and means the same.
#include "mail/path.hpp"

#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
    mail::PathOptions options;
    if (data[0] & 1) options.utf8 = mail::PathOptions::Utf8::Allow;
    if (data[0] & 2) options.form = mail::PathOptions::Form::Tolerant;
    if (mail::path_length(input) > input.size()) std::abort();
    mail::parse_reverse_path(input, options);
    mail::parse_forward_path(input, options);
    const auto mailbox = mail::parse_mailbox(input, options);
    if (!mailbox) return 0;
    const std::string text = mailbox->text();
    for (const char c : text)
        if (c == '\r' || c == '\n' || c == '\0') std::abort();
    const auto again = mail::parse_mailbox(text, options);
    if (!again || again->local_part != mailbox->local_part || again->domain != mailbox->domain) std::abort();
    return 0;
}
