// The value types of main.cf: yes/no, numbers, times, lists. Pure parsing.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace config {

std::optional<bool> parse_yes_no(std::string_view text);
/// Number and unit s, m, h, d, w; a bare number has `unit`.
std::optional<std::chrono::seconds> parse_time(std::string_view text, char unit);
/// Comma and white space separate; {…} groups stay whole (with their braces) and may hold both.
std::vector<std::string> split_list(std::string_view text);
/// "{ name = value }" without the braces, trimmed; nullopt when there are none.
std::optional<std::string_view> inside_braces(std::string_view text);
/// The edit distance of two names, for "did you mean"; stops counting above `max`.
std::size_t edit_distance(std::string_view a, std::string_view b, std::size_t max);

}  // namespace config
