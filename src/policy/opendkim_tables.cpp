#include "policy/opendkim_tables.hpp"

#include "base/text.hpp"

#include <fmt/format.h>

namespace policy {
namespace {

constexpr std::uint64_t file_octets_max = 16 << 20;

std::string with_domain(std::string text, std::string_view domain) {
    for (auto at = text.find('%'); at != std::string::npos; at = text.find('%', at + domain.size()))
        text.replace(at, 1, domain);
    return text;
}

/// The keys a table that is no refile is asked for, in order (opendkim.conf(5), SigningTable).
std::vector<std::string> exact_keys(std::string_view local, std::string_view domain) {
    constexpr std::size_t labels_max = 128;
    std::vector<std::string> out{fmt::format("{}@{}", local, domain), std::string(domain)};
    std::vector<std::string> above;  // ".example.com", ".com"
    for (auto dot = domain.find('.'); dot != std::string_view::npos && above.size() < labels_max;
         dot = domain.find('.', dot + 1))
        above.emplace_back(domain.substr(dot));
    for (const auto& parent : above) out.push_back(fmt::format("{}@{}", local, parent));
    out.insert(out.end(), above.begin(), above.end());
    out.push_back(fmt::format("{}@*", local));
    out.emplace_back("*");
    return out;
}

std::expected<void, std::string> read_list(std::string_view what, std::string_view text, DataSet& out) {
    for (const auto item : base::split(text, ',')) {
        const auto equals = item.find('=');
        if (equals == std::string_view::npos)
            return std::unexpected(fmt::format("{}: '{}' is not key=value", what, base::trim(item)));
        out.entries.push_back({std::string(what), std::string(base::trim(item.substr(0, equals))),
                               std::string(base::trim(item.substr(equals + 1)))});
    }
    return {};
}

}  // namespace

bool matches_pattern(std::string_view pattern, std::string_view text) {
    std::size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            resume = t;
        } else if (p < pattern.size() && base::to_lower(pattern[p]) == base::to_lower(text[t])) {
            ++p;
            ++t;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') ++p;
    return p == pattern.size();
}

std::expected<DataSet, std::string> read_data_set(std::string_view what, std::string_view text,
                                                  env::FileSystem& files) {
    DataSet out;
    text = base::trim(text);
    if (text.starts_with("csl:") || (!text.starts_with('/') && text.find(',') != std::string_view::npos)) {
        if (text.starts_with("csl:")) text.remove_prefix(4);
        const auto read = read_list(what, text, out);
        if (!read) return std::unexpected(read.error());
        return out;
    }
    if (text.starts_with("refile:")) {
        out.kind = DataSet::Kind::Patterns;
        text.remove_prefix(7);
    } else if (text.starts_with("file:")) {
        text.remove_prefix(5);
    }
    if (!text.starts_with('/'))
        return std::unexpected(
            fmt::format("{}: '{}' is not honoured: of OpenDKIM's data sets those in files are (a path, "
                        "file:, refile:) and csl:",
                        what, text));
    const std::string path(text);
    const auto content = files.read(path, file_octets_max);
    if (!content)
        return std::unexpected(fmt::format("{}: {}: {}", what, path, env::to_text(content.error())));
    int number = 0;
    for (const auto line : base::split(*content, '\n')) {
        ++number;
        const auto row = base::trim(line.substr(0, line.find('#')));
        if (row.empty()) continue;
        const auto key_end = row.find_first_of(" \t");
        const auto where = fmt::format("{}: {}, line {}", what, path, number);
        if (key_end == std::string_view::npos)
            return std::unexpected(where + ": a key and a value wanted, with white space between");
        out.entries.push_back(
            {where, std::string(row.substr(0, key_end)), std::string(base::trim(row.substr(key_end)))});
    }
    return out;
}

SigningTable::SigningTable(DataSet set) : kind_(set.kind) {
    for (auto& entry : set.entries) {
        const auto colon = entry.value.find(':');
        Match match{std::string(base::trim(entry.value.substr(0, colon))), ""};
        if (colon != std::string::npos) match.identity = base::trim(entry.value.substr(colon + 1));
        entries_.push_back({std::move(entry.where), std::move(entry.key), std::move(match)});
    }
}

std::vector<SigningTable::Match> SigningTable::find(std::string_view author, Take take) const {
    std::vector<Match> out;
    const auto at = author.rfind('@');
    if (at == std::string_view::npos) return out;
    const auto local = author.substr(0, at);
    const std::string domain = base::lower(author.substr(at + 1));
    const auto add = [&](const Entry& entry) {
        out.push_back({with_domain(entry.match.key_name, domain), with_domain(entry.match.identity, domain)});
        return take == Take::First;
    };
    if (kind_ == DataSet::Kind::Exact)
        for (const auto& key : exact_keys(local, domain))
            for (const auto& entry : entries_)
                if (base::iequals(with_domain(entry.pattern, domain), key) && add(entry)) return out;
    // A file without refile: that holds patterns all the same is read as it was meant.
    for (const auto& entry : entries_) {
        const bool pattern = entry.pattern.find('*') != std::string::npos && entry.pattern != "*" &&
                             !entry.pattern.ends_with("@*");
        if (kind_ == DataSet::Kind::Exact && !pattern) continue;
        const bool whole = entry.pattern.find('@') != std::string::npos || entry.pattern.starts_with('*');
        if (matches_pattern(with_domain(entry.pattern, domain), whole ? author : std::string_view(domain)) &&
            add(entry))
            return out;
    }
    return out;
}

std::expected<KeyTableValue, std::string> parse_key_table_value(std::string_view text) {
    const auto first = text.find(':');
    const auto second = first == std::string_view::npos ? first : text.find(':', first + 1);
    if (second == std::string_view::npos || first == 0 || second == first + 1 || second + 1 == text.size())
        return std::unexpected(fmt::format("'{}' is not domain:selector:/path", base::printable(text, 200)));
    return KeyTableValue{base::lower(base::trim(text.substr(0, first))),
                         std::string(base::trim(text.substr(first + 1, second - first - 1))),
                         std::string(base::trim(text.substr(second + 1)))};
}

}  // namespace policy
