#include "smtp/reply_lines.hpp"

#include "base/text.hpp"

#include <fmt/format.h>

namespace smtp {
namespace {

constexpr std::size_t line_octets_max = 510;  // without CRLF
constexpr std::size_t text_octets_max = 3600;

/// How much of `text` fits: up to a space where there is one, and never half a character.
std::size_t piece_length(std::string_view text, std::size_t room) {
    if (text.size() <= room) return text.size();
    const auto space = text.rfind(' ', room);
    if (space != std::string_view::npos && space > 0) return space;
    while (room > 1 && (static_cast<unsigned char>(text[room]) & 0xc0) == 0x80) --room;
    return room;
}

}  // namespace

std::string reply_lines(const mail::ReplyText& reply) {
    const std::string text = base::printable(reply.text, text_octets_max);
    const std::string status = reply.status.class_ == 0 ? "" : reply.status.text() + " ";
    const std::size_t room = line_octets_max - 4 - status.size();
    std::string out;
    std::string_view rest = text;
    for (std::size_t length = piece_length(rest, room); length < rest.size();
         length = piece_length(rest, room)) {
        out += fmt::format("{}-{}{}\r\n", reply.code, status, rest.substr(0, length));
        rest.remove_prefix(length + (rest[length] == ' ' ? 1 : 0));
    }
    return out + fmt::format("{} {}{}\r\n", reply.code, status, rest);
}

}  // namespace smtp
