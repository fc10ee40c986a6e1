// Every parameter the program knows, collected from the option structs' describe() functions: one list for
// postconf -d, for unknown names, and for docs/configuration.md.
#pragma once

#include "base/parameter.hpp"
#include "base/text.hpp"

#include <array>
#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace config {

struct ParameterInfo {
    std::string name;
    std::string type;           // "yes/no", "number", "time", "list", "text", "word"
    std::string default_value;  // an expression
    std::string documentation;
};

template <class T>
constexpr bool is_duration = false;
template <class Rep, class Period>
constexpr bool is_duration<std::chrono::duration<Rep, Period>> = true;

template <class T>
std::string type_name() {
    if constexpr (std::is_same_v<T, bool>)
        return "yes/no";
    else if constexpr (std::is_integral_v<T>)
        return "number";
    else if constexpr (is_duration<T>)
        return "time";
    else if constexpr (std::is_enum_v<T>)
        return "word";
    else if constexpr (std::is_same_v<T, std::vector<std::string>>)
        return "list";
    else
        return "text";
}

template <class T>
std::string to_value_text(const T& value) {
    if constexpr (std::is_same_v<T, bool>)
        return value ? "yes" : "no";
    else if constexpr (std::is_integral_v<T>)
        return std::to_string(value);
    else if constexpr (is_duration<T>)
        return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(value).count()) + "s";
    else if constexpr (std::is_enum_v<T>) {
        for (const auto& [word, meaning] : enum_words(T{}))
            if (meaning == value) return std::string(word);
        return "";
    } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
        std::string out;
        for (const auto& item : value) out += (out.empty() ? "" : ", ") + item;
        return out;
    } else
        return value;
}

class Registry {
 public:
    /// Option structs, each with describe(). A name two structs share is listed once, with the text
    /// of the first that has one.
    template <class... Options>
    static Registry collect() {
        Registry out;
        (out.add<Options>(), ...);
        return out;
    }
    const ParameterInfo* find(std::string_view name) const {
        const auto at = parameters_.find(name);
        return at == parameters_.end() ? nullptr : &at->second;
    }
    /// By name.
    const std::map<std::string, ParameterInfo, std::less<>>& all() const { return parameters_; }
    /// The nearest known name, for "did you mean"; empty: none is near.
    std::string nearest(std::string_view name) const;

 private:
    template <class Options>
    struct Collector {
        Registry& registry;
        Options defaults{};
        template <class T, class Owner, class... Tags>
        void operator()(std::string_view name, T Owner::* member, Tags... tags) {
            ParameterInfo info{std::string(name), type_name<T>(), to_value_text(defaults.*member), ""};
            (take(info, tags), ...);
            auto& kept = registry.parameters_.try_emplace(info.name, info).first->second;
            if (kept.documentation.empty()) kept.documentation = info.documentation;
        }
        static void take(ParameterInfo& info, base::Default tag) { info.default_value = tag.expression; }
        static void take(ParameterInfo& info, const char* documentation) {
            info.documentation = documentation;
        }
        template <class Tag>
        static void take(ParameterInfo&, const Tag&) {}
    };
    template <class Options>
    void add() {
        Collector<Options> collector{*this};
        Options::describe(collector);
    }
    std::map<std::string, ParameterInfo, std::less<>> parameters_;
};

}  // namespace config
