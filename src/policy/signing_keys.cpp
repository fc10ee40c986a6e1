#include "policy/signing_keys.hpp"

#include "base/result.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>

namespace policy {
namespace {

constexpr std::uint64_t file_octets_max = 1 << 20;

bool matches(std::string_view pattern, std::string_view text) {
    if (pattern.empty()) return text.empty();
    if (pattern.front() == '*') {
        for (std::size_t i = 0; i <= text.size(); ++i)
            if (matches(pattern.substr(1), text.substr(i))) return true;
        return false;
    }
    return !text.empty() && base::to_lower(pattern.front()) == base::to_lower(text.front()) &&
           matches(pattern.substr(1), text.substr(1));
}

// "domain:selector:/path".
std::expected<SigningKey, std::string> read_key(std::string_view what, std::string_view text,
                                                env::FileSystem& files) {
    const auto first = text.find(':');
    const auto second = first == std::string_view::npos ? first : text.find(':', first + 1);
    if (second == std::string_view::npos)
        return std::unexpected(fmt::format("{}: '{}' is not domain:selector:/path", what, text));
    const std::string path(text.substr(second + 1));
    const auto pem = files.read(path, file_octets_max);
    if (!pem) return std::unexpected(fmt::format("{}: {}: {}", what, path, env::to_text(pem.error())));
    auto key = dkim::PrivateKey::parse(*pem);
    if (!key) return std::unexpected(fmt::format("{}: {}: {}", what, path, key.error()));
    return SigningKey{base::lower(text.substr(0, first)),
                      std::string(text.substr(first + 1, second - first - 1)), std::move(*key)};
}

struct Line {
    int number;
    std::string key, value;
};
std::expected<std::vector<Line>, std::string> read_table(std::string_view what, std::string path,
                                                         env::FileSystem& files) {
    if (const auto colon = path.find(":/"); colon != std::string::npos)
        path = path.substr(colon + 1);  // refile:/path
    const auto text = files.read(path, file_octets_max);
    if (!text) return std::unexpected(fmt::format("{}: {}: {}", what, path, env::to_text(text.error())));
    std::vector<Line> out;
    int number = 0;
    for (const auto line : base::split(*text, '\n')) {
        ++number;
        const auto content = base::trim(line.substr(0, line.find('#')));
        if (content.empty()) continue;
        const auto words = base::split_any(content, " \t");
        if (words.size() < 2)
            return std::unexpected(fmt::format("{}: {}, line {}: two words wanted", what, path, number));
        out.push_back({number, std::string(words[0]), std::string(words[1])});
    }
    return out;
}

}  // namespace

std::expected<SigningKeys, std::string> SigningKeys::make(const SenderOptions& options,
                                                          env::FileSystem& files) {
    SigningKeys out;
    std::map<std::string, std::vector<std::size_t>> by_domain;
    for (const auto& word : options.signing_keys) {
        TRY_ASSIGN(auto key, read_key("dkim_signing_keys", word, files));
        by_domain[key.domain].push_back(out.keys_.size());
        out.keys_.push_back(std::move(key));
    }
    if (!options.signing_table.empty()) {
        std::map<std::string, std::size_t> by_name;
        TRY_ASSIGN(const auto keys, read_table("dkim_key_table", options.key_table, files));
        for (const auto& line : keys) {
            TRY_ASSIGN(auto key, read_key("dkim_key_table", line.value, files));
            by_name[line.key] = out.keys_.size();
            out.keys_.push_back(std::move(key));
        }
        TRY_ASSIGN(const auto rules, read_table("dkim_signing_table", options.signing_table, files));
        for (const auto& line : rules) {
            const auto found = by_name.find(line.value);
            if (found == by_name.end())
                return std::unexpected(fmt::format("dkim_signing_table: line {}: {} is not in dkim_key_table",
                                                   line.number, line.value));
            out.rules_.push_back({line.key, {found->second}});
        }
    }
    // A domain without a rule of its own takes its parent's: longer names first.
    std::vector<std::pair<std::string, std::vector<std::size_t>>> domains(by_domain.begin(), by_domain.end());
    std::ranges::sort(domains, [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
    for (auto& [domain, keys] : domains) {
        out.rules_.push_back({"*@" + domain, keys});
        out.rules_.push_back({"*@*." + domain, std::move(keys)});
    }
    return out;
}

std::vector<const SigningKey*> SigningKeys::keys_for(const std::string& author) const {
    std::vector<const SigningKey*> out;
    const auto domain = author.substr(std::min(author.rfind('@') + 1, author.size()));
    for (const auto& rule : rules_) {
        const bool whole = rule.pattern.find('@') != std::string::npos;
        if (!matches(rule.pattern, whole ? author : domain)) continue;
        for (const auto index : rule.keys) out.push_back(&keys_[index]);
        break;
    }
    return out;
}

}  // namespace policy
