// Reading table sources: postmap(1) and aliases(5) text (factory.hpp: parse_source).
#include "base/text.hpp"
#include "config/main_cf.hpp"
#include "tables/factory.hpp"

#include <fmt/format.h>

namespace tables {
namespace {

// The key at the start of a line, perhaps quoted; the rest is left in `rest`.
std::string take_key(std::string_view& rest, SourceFormat format) {
    std::string key;
    if (rest.starts_with('"')) {
        std::size_t i = 1;
        for (; i < rest.size() && rest[i] != '"'; ++i) {
            if (rest[i] == '\\' && i + 1 < rest.size()) ++i;
            key += rest[i];
        }
        rest.remove_prefix(std::min(i + 1, rest.size()));
        return key;
    }
    const std::string_view stop = format == SourceFormat::Alias ? ": \t" : " \t";
    const auto end = std::min(rest.find_first_of(stop), rest.size());
    key = rest.substr(0, end);
    rest.remove_prefix(end);
    return key;
}

}  // namespace

std::expected<Entries, std::string> parse_source(std::string_view text, SourceFormat format) {
    Entries out;
    for (const auto& [line, number] : config::logical_lines(text)) {
        std::string_view rest = line;
        const std::string key = base::lower(take_key(rest, format));
        rest = base::trim(rest);
        if (format == SourceFormat::Alias) {
            if (!rest.starts_with(':'))
                return std::unexpected(fmt::format("line {}: not \"name: value\"", number));
            rest = base::trim(rest.substr(1));
        }
        if (key.empty() || rest.empty())
            return std::unexpected(fmt::format("line {}: not \"key value\"", number));
        out.emplace(key, rest);  // the first of a name counts, as postmap warns
    }
    return out;
}

}  // namespace tables
