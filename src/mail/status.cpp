#include "mail/status.hpp"

#include "base/text.hpp"

#include <fmt/format.h>

namespace mail {

std::string Status::text() const { return fmt::format("{}.{}.{}", class_, subject, detail); }

std::optional<Status> Status::parse_prefix(std::string_view text) {
    const auto end = text.find(' ');
    const auto parts = base::split(text.substr(0, end), '.');
    if (parts.size() != 3) return std::nullopt;
    constexpr std::uint64_t number_max = 999;  // RFC 3463 §2: one to three digits
    const auto class_number = base::parse_number(parts[0], 5);
    const auto subject = base::parse_number(parts[1], number_max);
    const auto detail = base::parse_number(parts[2], number_max);
    const bool sized = parts[0].size() == 1 && parts[1].size() <= 3 && parts[2].size() <= 3;
    if (!class_number || !subject || !detail || !sized) return std::nullopt;
    if (*class_number != 2 && *class_number != 4 && *class_number != 5) return std::nullopt;
    return Status{static_cast<std::uint16_t>(*class_number), static_cast<std::uint16_t>(*subject),
                  static_cast<std::uint16_t>(*detail)};
}

std::string ReplyText::line() const {
    return status.class_ == 0 ? fmt::format("{} {}", code, text)
                              : fmt::format("{} {} {}", code, status.text(), text);
}

}  // namespace mail
