// Fills an option struct from a configuration, guided by its describe(). Every wrong value is reported with
// its place.
#pragma once

#include "config/configuration.hpp"
#include "config/values.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace config {

namespace detail {

/// Types whose values cannot hold a '#': there a trailing " # …" is a comment somebody meant, as people write
/// it.
template <class T>
constexpr bool cannot_hold_hash =
    std::is_same_v<T, bool> || std::is_integral_v<T> || is_duration<T> || std::is_enum_v<T>;

struct Place {
    const Configuration& configuration;
    Diagnostics& diagnostics;
    std::string_view name;
    void error(std::string text) const {
        const auto origin = configuration.origin(name);
        diagnostics.add(Severity::Error, origin.file, origin.line, fmt::format("{}: {}", name, text));
    }
    void warning(std::string text) const {
        const auto origin = configuration.origin(name);
        diagnostics.add(Severity::Warning, origin.file, origin.line, fmt::format("{}: {}", name, text));
    }
};

template <class T>
void assign(T& field, std::string text, char unit, const Place& place) {
    if constexpr (cannot_hold_hash<T>) {
        if (const auto hash = text.find(" #"); hash != std::string::npos) {
            const std::string clean(base::trim(std::string_view(text).substr(0, hash)));
            place.warning(fmt::format("a comment must stand on a line of its own; write \"{} = {}\"",
                                      place.name, clean));
            text = clean;
        }
    }
    if constexpr (std::is_same_v<T, bool>) {
        const auto value = parse_yes_no(text);
        if (value)
            field = *value;
        else
            place.error(fmt::format("'{}' is neither yes nor no", base::printable(text, 60)));
    } else if constexpr (std::is_integral_v<T>) {
        const auto value =
            base::parse_number(text, static_cast<std::uint64_t>(std::numeric_limits<T>::max()));
        if (value)
            field = static_cast<T>(*value);
        else
            place.error(fmt::format("'{}' is not a number", base::printable(text, 60)));
    } else if constexpr (is_duration<T>) {
        const auto value = parse_time(text, unit);
        if (value)
            field = std::chrono::duration_cast<T>(*value);
        else
            place.error(
                fmt::format("'{}' is not a time: a number and s, m, h, d or w", base::printable(text, 60)));
    } else if constexpr (std::is_enum_v<T>) {
        std::string words;
        for (const auto& [word, meaning] : enum_words(T{})) {
            if (base::iequals(word, text)) {
                field = meaning;
                return;
            }
            if (!word.empty()) words += (words.empty() ? "" : ", ") + std::string(word);
        }
        place.error(fmt::format("'{}' is not one of {}", base::printable(text, 60), words));
    } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
        field = split_list(text);
    } else {
        field = std::move(text);
    }
}

template <class T, class Tag>
void check_range(const T& field, const Tag& tag, const Place& place) {
    if constexpr (requires {
                      tag.low;
                      tag.high;
                  }) {
        bool outside = false;
        if constexpr (is_duration<T>)
            outside = field < tag.low || field > tag.high;
        else
            outside = std::cmp_less(field, tag.low) || std::cmp_greater(field, tag.high);
        if (outside)
            place.error(fmt::format("{} is outside {} to {}", to_value_text(field), to_value_text(tag.low),
                                    to_value_text(tag.high)));
    }
}

inline void take_unit(char& unit, base::Unit tag) { unit = tag.letter; }
template <class Tag>
void take_unit(char&, const Tag&) {}

}  // namespace detail

template <class Options>
Options bind(const Configuration& configuration, Diagnostics& diagnostics) {
    Options out{};
    // `member` may be one of a base of Options.
    auto visit = [&]<class T, class Owner, class... Tags>(std::string_view name, T Owner::* member,
                                                          Tags... tags) {
        const detail::Place place{configuration, diagnostics, name};
        char unit = 's';
        (detail::take_unit(unit, tags), ...);
        const auto raw = configuration.raw(name);
        if (!raw) return;
        constexpr bool as_written = (std::is_same_v<Tags, base::Raw> || ...);
        std::expected<std::string, std::string> text = *raw;
        if constexpr (!as_written) text = configuration.expand(*raw);
        if (!text) {
            place.error(text.error());
            return;
        }
        const auto errors_before = diagnostics.list().size();
        detail::assign(out.*member, std::string(base::trim(*text)), unit, place);
        if (diagnostics.list().size() == errors_before || !diagnostics.has_errors())
            (detail::check_range(out.*member, tags, place), ...);
    };
    Options::describe(visit);
    return out;
}

}  // namespace config
