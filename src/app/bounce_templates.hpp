// bounce_template_file, read and filled in.
#pragma once

#include "base/parameter.hpp"
#include "config/configuration.hpp"
#include "env/file_system.hpp"
#include "mail/bounce_template.hpp"

#include <expected>
#include <string>

namespace app {

struct BounceTemplateOptions {
    std::string file;
    static constexpr void describe(auto& parameter) {
        parameter("bounce_template_file", &BounceTemplateOptions::file, base::Default{""},
                  "The texts of notifications, in bounce(5) format: failure_template, delay_template, "
                  "success_template, verify_template.");
    }
};

/// Ours, with those of the file in their place. $delay_warning_time_hours and the like ($…_seconds to
/// $…_weeks) are numbers. Error: what the administrator must mend.
std::expected<mail::BounceTemplates, std::string> load_bounce_templates(
    const config::Configuration& configuration, env::FileSystem& files);

}  // namespace app
