#include "smtp/client_attributes.hpp"

#include "base/text.hpp"
#include "mail/xtext.hpp"

#include <fmt/format.h>

namespace smtp {
namespace {

constexpr std::size_t value_octets_max = 255;

bool is_clean(std::string_view value) {
    return value.size() <= value_octets_max && base::is_utf8(value) &&
           value.find_first_of(" \t\"<>()") == std::string_view::npos;
}

}  // namespace

mail::ReplyText bad_attribute(std::string_view name, std::string_view value) {
    return {501,
            {5, 5, 4},
            fmt::format("Bad {} syntax: {}", base::printable(name, 32), base::printable(value, 64))};
}

mail::ReplyText unknown_attribute(std::string_view name, std::string_view verb) {
    return {501, {5, 5, 4}, fmt::format("Bad {} attribute name: {}", verb, base::printable(name, 32))};
}

std::expected<std::vector<ClientAttribute>, mail::ReplyText> parse_client_attributes(
    std::string_view argument, std::string_view verb) {
    const auto words = base::split_any(argument, " ");
    if (words.empty())
        return std::unexpected(
            mail::ReplyText{501, {5, 5, 4}, fmt::format("Syntax: {} attribute=value ...", verb)});
    std::vector<ClientAttribute> out;
    for (const auto word : words) {
        const auto equals = word.find('=');
        if (equals == std::string_view::npos)
            return std::unexpected(
                mail::ReplyText{501, {5, 5, 4}, fmt::format("Error: attribute=value expected in {}", verb)});
        const auto name = word.substr(0, equals);
        auto value = mail::decode_xtext(word.substr(equals + 1));
        if (!value) return std::unexpected(bad_attribute(name, word.substr(equals + 1)));
        const bool unknown = base::iequals(*value, "[UNAVAILABLE]") || base::iequals(*value, "[TEMPUNAVAIL]");
        if (unknown) value->clear();
        if (!is_clean(*value)) return std::unexpected(bad_attribute(name, *value));
        out.push_back({name, std::move(*value), unknown});
    }
    return out;
}

std::string address_of(const ClientAttribute& attribute) {
    return base::istarts_with(attribute.value, "IPV6:") ? attribute.value.substr(5) : attribute.value;
}

std::optional<std::uint16_t> port_of(const ClientAttribute& attribute) {
    if (attribute.unknown) return 0;
    const auto number = base::parse_number(attribute.value, UINT16_MAX);
    return number ? std::optional(static_cast<std::uint16_t>(*number)) : std::nullopt;
}

std::string encode_attribute(std::string_view value) {
    return value.empty() ? "[UNAVAILABLE]" : mail::encode_xtext(value);
}

}  // namespace smtp
