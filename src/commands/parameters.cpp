// postrider parameters: every parameter this program honours, from the same table that parses them.
#include "app/site.hpp"
#include "base/text.hpp"
#include "commands/verb.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace commands {

int parameters(const Invocation& invocation) {
    const auto registry = app::make_registry();
    nlohmann::json list = nlohmann::json::array();
    bool found = false;
    for (const auto& [name, info] : registry->all()) {
        const auto matches = [&](const std::string& word) {
            return name.find(base::lower(word)) != std::string::npos;
        };
        if (!invocation.arguments.empty() && std::ranges::none_of(invocation.arguments, matches)) continue;
        found = true;
        if (invocation.json)
            list.push_back({{"name", name},
                            {"type", info.type},
                            {"default", info.default_value},
                            {"documentation", info.documentation}});
        else
            fmt::print("{} ({}, default: {})\n    {}\n", name, info.type,
                       info.default_value.empty() ? "empty" : info.default_value, info.documentation);
    }
    if (invocation.json) fmt::print("{}\n", list.dump());
    if (!found && !invocation.json)
        fmt::print(stderr, "postrider parameters: nothing has '{}' in its name\n",
                   fmt::join(invocation.arguments, "' or '"));
    return found ? exit_ok : exit_failed;
}

}  // namespace commands
