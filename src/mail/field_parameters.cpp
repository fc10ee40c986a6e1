#include "mail/field_parameters.hpp"

#include "base/text.hpp"

#include <algorithm>

namespace mail {

std::string FieldParameters::get(std::string_view name) const {
    for (const auto& [key, value] : parameters)
        if (key == name || (key.starts_with(name) && key.substr(name.size()) == "*")) return value;
    return {};
}

FieldParameters parse_field_parameters(std::string_view value) {
    FieldParameters out;
    const auto first_end = std::min(value.find(';'), value.size());
    out.first = base::lower(base::trim(value.substr(0, first_end)));
    std::size_t at = first_end;
    while (at < value.size()) {
        ++at;  // the semicolon
        const auto equals = value.find_first_of("=;", at);
        if (equals == std::string_view::npos) break;
        if (value[equals] == ';') {
            at = equals;
            continue;
        }
        const std::string key = base::lower(base::trim(value.substr(at, equals - at)));
        at = equals + 1;
        while (at < value.size() && base::is_space(value[at])) ++at;
        std::string text;
        if (at < value.size() && value[at] == '"') {
            for (++at; at < value.size() && value[at] != '"'; ++at) {
                if (value[at] == '\\' && at + 1 < value.size()) ++at;
                text += value[at];
            }
            at = std::min(value.find(';', at), value.size());
        } else {
            const auto end = std::min(value.find(';', at), value.size());
            text = base::trim(value.substr(at, end - at));
            at = end;
        }
        out.parameters.emplace_back(key, std::move(text));
    }
    return out;
}

}  // namespace mail
