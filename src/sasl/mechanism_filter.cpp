#include "sasl/mechanism_filter.hpp"

#include "base/text.hpp"
#include "sasl/server.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace sasl {
namespace {

bool is_scram(std::string_view name) { return base::istarts_with(name, "SCRAM-"); }

struct Property {
    std::string_view option;
    bool (*has)(std::string_view mechanism);
};
constexpr Property properties[] = {
    {"noanonymous", [](std::string_view) { return true; }},  // there is no ANONYMOUS
    {"noplaintext", is_scram},
    {"noactive", is_scram},
    // What a listener sees of SCRAM can be tried against a list of passwords; a token cannot be guessed.
    {"nodictionary", is_bearer},
    {"forward_secrecy", [](std::string_view) { return false; }},
    {"mutual_auth", is_scram},
};

}  // namespace

std::expected<std::vector<std::string>, std::string> with_security(std::vector<std::string> mechanisms,
                                                                   const std::vector<std::string>& options) {
    for (const auto& option : options) {
        const auto* property = std::ranges::find_if(
            properties, [&](const Property& one) { return base::iequals(one.option, option); });
        if (property == std::end(properties)) {
            std::string known;
            for (const auto& one : properties)
                known += fmt::format("{}{}", known.empty() ? "" : ", ", one.option);
            return std::unexpected(fmt::format("'{}' is not one of {}", option, known));
        }
        std::erase_if(mechanisms, [&](const auto& name) { return !property->has(name); });
    }
    return mechanisms;
}

std::expected<std::vector<std::string>, std::string> filtered(std::vector<std::string> mechanisms,
                                                              const std::vector<std::string>& filter) {
    constexpr std::string_view any = "static:";
    bool all_negative = true;
    for (std::string_view word : filter) {
        if (!word.starts_with('!')) all_negative = false;
        if (word.starts_with('!')) word.remove_prefix(1);
        if (word.find(':') != std::string_view::npos && !word.starts_with(any))
            return std::unexpected(
                fmt::format("'{}': mechanisms are named here, or static:rest stands for all", word));
    }
    const auto passes = [&](const std::string& name) {
        for (std::string_view word : filter) {
            const bool negative = word.starts_with('!');
            if (negative) word.remove_prefix(1);
            if (word.starts_with(any) || base::iequals(word, name)) return !negative;
        }
        return all_negative;
    };
    std::erase_if(mechanisms, [&](const auto& name) { return !passes(name); });
    return mechanisms;
}

}  // namespace sasl
