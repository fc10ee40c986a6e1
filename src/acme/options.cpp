#include "acme/options.hpp"

#include "acme/certificate.hpp"
#include "base/result.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace acme {
namespace {

std::expected<std::vector<KeyType>, std::string> key_types(const std::vector<std::string>& words) {
    std::vector<KeyType> out;
    for (const auto& word : words) {
        const bool ecdsa = base::iequals(word, "ecdsa"), rsa = base::iequals(word, "rsa");
        if (!ecdsa && !rsa)
            return std::unexpected(
                fmt::format("acme_key_types: '{}' is neither ecdsa nor rsa", base::printable(word, 60)));
        const KeyType type = ecdsa ? KeyType::Ecdsa : KeyType::Rsa;
        if (std::ranges::find(out, type) == out.end()) out.push_back(type);
    }
    if (out.empty()) return std::unexpected("acme_key_types: say ecdsa, rsa or both");
    return out;
}

}  // namespace

std::expected<std::vector<Wanted>, std::string> wanted_certificates(const Options& options) {
    std::vector<Wanted> out;
    if (options.domains.empty()) return out;
    if (!is_usable_url(options.directory_url))
        return std::unexpected("acme_directory_url: it must be an https:// URL");
    for (const auto& contact : options.contacts)
        if (contact.find('@') == std::string::npos || !base::is_ascii(contact))
            return std::unexpected(fmt::format("acme_contact: '{}' is no mail address", contact));
    TRY_ASSIGN(const auto types, key_types(options.key_types));
    std::vector<std::vector<std::string>> groups(1);  // the first: what stands outside of braces
    for (const auto& item : options.domains) {
        std::string_view inside = item;
        const bool braces = inside.starts_with('{') && inside.ends_with('}');
        if (braces) {
            inside = inside.substr(1, inside.size() - 2);
            groups.emplace_back();
        }
        for (const auto word : base::split_any(inside, ", \t\r\n")) {
            auto name = parse_certificate_name(word);
            if (!name) return std::unexpected("acme_domains: " + name.error());
            auto& names = braces ? groups.back() : groups.front();
            if (std::ranges::find(names, *name) == names.end()) names.push_back(std::move(*name));
        }
    }
    std::erase_if(groups, [](const auto& names) { return names.empty(); });
    if (groups.empty()) return std::unexpected("acme_domains: there is no name in the braces");
    for (const auto& names : groups) {
        if (names.size() > names_max)
            return std::unexpected(
                fmt::format("acme_domains: more than {} names in one certificate", names_max));
        for (const KeyType type : types) out.push_back({names, type});
    }
    if (out.size() > certificates_max)
        return std::unexpected(fmt::format("acme_domains: more than {} certificates", certificates_max));
    std::vector<std::string> ids;
    for (const auto& one : out) {
        if (std::ranges::find(ids, one.id()) != ids.end())
            return std::unexpected(
                fmt::format("acme_domains: two certificates begin with {}", one.names.front()));
        ids.push_back(one.id());
    }
    return out;
}

}  // namespace acme
