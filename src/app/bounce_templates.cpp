#include "app/bounce_templates.hpp"

#include "base/result.hpp"
#include "config/values.hpp"

#include <array>
#include <fmt/format.h>

namespace app {
namespace {

constexpr std::uint64_t file_octets_max = 256 * 1024;

struct TimeParameter {
    std::string_view name;
    char unit;
};
constexpr TimeParameter times[] = {
    {"delay_warning_time", 'h'}, {"maximal_queue_lifetime", 'd'}, {"bounce_queue_lifetime", 'd'}};
constexpr std::array<std::pair<std::string_view, int>, 5> units{
    {{"_seconds", 1}, {"_minutes", 60}, {"_hours", 3600}, {"_days", 86400}, {"_weeks", 7 * 86400}}};

/// "delay_warning_time_hours": rounded up, as a text says "for more than 4 hours".
std::optional<std::string> time_in_units(const config::Configuration& configuration, std::string_view name) {
    for (const auto& time : times)
        for (const auto& [suffix, seconds] : units) {
            if (name != std::string(time.name) + std::string(suffix)) continue;
            const auto value = config::parse_time(configuration.get(time.name), time.unit);
            if (!value) return std::nullopt;
            return std::to_string((value->count() + seconds - 1) / seconds);
        }
    return std::nullopt;
}

}  // namespace

std::expected<mail::BounceTemplates, std::string> load_bounce_templates(
    const config::Configuration& configuration, env::FileSystem& files) {
    auto out = mail::built_in_bounce_templates();
    const std::string path = configuration.get("bounce_template_file");
    const auto wrong = [&](std::string_view why) {
        return std::unexpected(fmt::format("bounce_template_file: {}: {}", path, why));
    };
    if (!path.empty()) {
        const auto text = files.read(path, file_octets_max);
        if (!text) return wrong(env::to_text(text.error()));
        if (const auto parsed = mail::parse_bounce_templates(*text, out); !parsed)
            return wrong(parsed.error());
    }
    const auto value_of = [&](std::string_view name) -> std::optional<std::string> {
        if (auto time = time_in_units(configuration, name)) return time;
        if (!configuration.raw(name)) return std::nullopt;
        return configuration.get(name);
    };
    if (const auto filled = mail::fill_in_names(out, value_of); !filled) return wrong(filled.error());
    return out;
}

}  // namespace app
