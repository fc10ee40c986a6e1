#include "policy/signing_keys.hpp"

#include "base/result.hpp"
#include "base/text.hpp"
#include "dns/name.hpp"
#include "mail/author.hpp"
#include "policy/key_rotation.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace policy {
namespace {

constexpr std::uint64_t file_octets_max = 1 << 20;
constexpr std::size_t keys_per_message_max = 10;  // signatures cost us and every receiver

std::expected<dkim::PrivateKey, std::string> read_key_file(const std::string& path, env::FileSystem& files) {
    const auto text = files.read(path, file_octets_max);
    if (!text) return std::unexpected(fmt::format("{}: {}", path, env::to_text(text.error())));
    auto key = dkim::PrivateKey::parse(*text);
    if (!key) return std::unexpected(fmt::format("{}: {}", path, key.error()));
    return std::move(*key);
}

/// The files "/keys/%/mail.private" stands for: domain and path.
std::vector<std::pair<std::string, std::string>> files_of_pattern(const std::string& pattern,
                                                                  env::FileSystem& files) {
    std::vector<std::pair<std::string, std::string>> out;
    const auto mark = pattern.find('%');
    const auto folder_end = pattern.rfind('/', mark);
    const auto name_end = std::min(pattern.find('/', mark), pattern.size());
    const std::string before = pattern.substr(folder_end + 1, mark - folder_end - 1);
    const std::string after = pattern.substr(mark + 1, name_end - mark - 1);
    const auto names = files.list(pattern.substr(0, std::max<std::size_t>(folder_end, 1)));
    if (!names) return out;
    for (const auto& name : *names) {
        if (name.size() <= before.size() + after.size() || !name.starts_with(before) ||
            !name.ends_with(after))
            continue;
        const auto domain =
            dns::Name::parse(name.substr(before.size(), name.size() - before.size() - after.size()));
        const std::string path = pattern.substr(0, folder_end + 1) + name + pattern.substr(name_end);
        if (domain && files.stat(path)) out.emplace_back(domain->text(), path);
    }
    return out;
}

bool within(std::string_view identity, std::string_view domain) {
    const auto host = dns::Name::parse(identity.substr(identity.rfind('@') + 1));
    const auto parent = dns::Name::parse(domain);
    return host && parent && host->is_within(*parent);
}

/// A domain:selector:/path of the parameter `what`.
std::expected<SigningKey, std::string> read_key(std::string_view what, const std::string& word,
                                                env::FileSystem& files) {
    const auto value = parse_key_table_value(word);
    if (!value) return std::unexpected(fmt::format("{}: {}", what, value.error()));
    auto key = read_key_file(value->key, files);
    if (!key) return std::unexpected(fmt::format("{}: {}", what, key.error()));
    const auto domain = mail::to_a_labels(value->domain).value_or(value->domain);
    return SigningKey{domain, value->selector, value->key, "", std::move(*key)};
}

}  // namespace

std::expected<void, std::string> SigningKeys::read_tables(const SenderOptions& options,
                                                          env::FileSystem& files) {
    TRY_ASSIGN(const auto key_set, read_data_set("dkim_key_table", options.key_table, files));
    for (const auto& entry : key_set.entries) {
        const auto fail = [&](std::string_view why) {
            return std::unexpected(fmt::format("{}: {}", entry.where, why));
        };
        const auto value = parse_key_table_value(entry.value);
        if (!value) return fail(value.error());
        NamedKey named{*value, {}};
        const auto add = [&](const std::string& author_domain, const std::string& path,
                             dkim::PrivateKey key) {
            named.keys.insert_or_assign(author_domain,
                                        SigningKey{value->domain == "%" ? author_domain : value->domain,
                                                   value->selector, path, "", std::move(key)});
        };
        if (!value->is_path()) {
            auto key = dkim::PrivateKey::parse(value->key);
            if (!key) return fail(key.error());
            add("", "", std::move(*key));
        } else if (!value->key.starts_with('/')) {
            return fail("the path of a key begins with /");
        } else if (value->key.find('%') != value->key.rfind('%')) {
            return fail("a path with more than one % is not honoured");
        } else if (value->key.find('%') != std::string::npos) {
            for (const auto& [domain, path] : files_of_pattern(value->key, files)) {
                auto key = read_key_file(path, files);
                if (!key) return fail(key.error());
                add(domain, path, std::move(*key));
            }
        } else {
            auto key = read_key_file(value->key, files);
            if (!key) return fail(key.error());
            add("", value->key, std::move(*key));
        }
        named_.insert_or_assign(entry.key, std::move(named));
    }
    TRY_ASSIGN(auto signing_set, read_data_set("dkim_signing_table", options.signing_table, files));
    table_ = SigningTable(std::move(signing_set));
    for (const auto& entry : table_.entries())
        if (entry.match.key_name.find('%') == std::string::npos && !named_.contains(entry.match.key_name))
            return std::unexpected(
                fmt::format("{}: {} is not in dkim_key_table", entry.where, entry.match.key_name));
    return {};
}

std::expected<SigningKeys, std::string> SigningKeys::make(const SenderOptions& options,
                                                          env::FileSystem& files) {
    SigningKeys out;
    out.take_ = options.multiple_signatures ? SigningTable::Take::All : SigningTable::Take::First;
    for (const auto& word : options.signing_keys) {
        TRY_ASSIGN(auto key, read_key("dkim_signing_keys", word, files));
        out.by_domain_[key.domain].push_back(std::move(key));
    }
    if (!options.signing_table.empty()) {
        const auto read = out.read_tables(options, files);
        if (!read) return std::unexpected(read.error());
    }
    const RotationFolder folder(files, options.key_directory);
    TRY_ASSIGN(const auto rotations, folder.all());
    for (const auto& rotation : rotations) {
        std::vector<SigningKey> keys;
        for (const auto& one : rotation.keys) {
            if (one.role != RotationKey::Role::Active) continue;
            auto key = read_key_file(one.path, files);
            if (!key) return std::unexpected(fmt::format("dkim_key_directory: {}", key.error()));
            keys.push_back({rotation.domain, one.selector, one.path, "", std::move(*key)});
        }
        if (keys.empty()) continue;
        out.by_domain_[rotation.domain] = keys;
        out.managed_[rotation.domain] = std::move(keys);
    }
    return out;
}

std::expected<SigningKey, std::string> sealing_key(const SenderOptions& options, const std::string& domain,
                                                   env::FileSystem& files) {
    if (!options.arc_seal_key.empty()) return read_key("arc_seal_key", options.arc_seal_key, files);
    TRY_ASSIGN(const auto keys, SigningKeys::make(options, files));
    for (auto& key : keys.keys_for("postmaster@" + domain))
        if (key.key.is_rsa()) return std::move(key);
    return std::unexpected(fmt::format(
        "arc_seal: there is no RSA key for {} in dkim_signing_keys; set arc_seal_key = domain:selector:/path",
        domain));
}

const std::vector<SigningKey>* SigningKeys::nearest(const ByDomain& keys, std::string domain) {
    for (;;) {
        if (const auto found = keys.find(domain); found != keys.end()) return &found->second;
        const auto dot = domain.find('.');
        if (dot == std::string::npos) return nullptr;
        domain.erase(0, dot + 1);
    }
}

std::vector<SigningKey> SigningKeys::from_tables(const std::string& author, const std::string& domain) const {
    std::vector<SigningKey> out;
    for (const auto& match : table_.find(author, take_)) {
        const auto named = named_.find(match.key_name);
        if (named == named_.end() || out.size() >= keys_per_message_max) continue;
        auto found = named->second.keys.find(domain);
        if (found == named->second.keys.end()) found = named->second.keys.find("");
        if (found == named->second.keys.end()) continue;
        SigningKey key = found->second;
        if (key.domain.empty()) key.domain = domain;
        // A domain that is rotated: what the table says of it may be retired by now.
        if (const auto kept = managed_.find(key.domain); kept != managed_.end()) return kept->second;
        if (!match.identity.empty() && within(match.identity, key.domain)) key.identity = match.identity;
        const bool twice = std::ranges::any_of(
            out, [&](const auto& one) { return one.domain == key.domain && one.selector == key.selector; });
        if (!twice) out.push_back(std::move(key));
    }
    return out;
}

std::vector<SigningKey> SigningKeys::keys_for(const std::string& author) const {
    const auto at = author.rfind('@');
    const std::string raw = author.substr(at == std::string::npos ? 0 : at + 1);
    const auto name = dns::Name::parse(mail::to_a_labels(raw).value_or(""));
    if (!name || name->is_root()) return {};
    const std::string& domain = name->text();
    if (const auto kept = managed_.find(domain); kept != managed_.end()) return kept->second;
    if (!table_.empty()) {
        auto found = from_tables(author.substr(0, at == std::string::npos ? 0 : at) + "@" + domain, domain);
        if (!found.empty()) return found;
    }
    const auto* keys = nearest(by_domain_, domain);
    return keys ? *keys : std::vector<SigningKey>{};
}

std::vector<SigningKey> SigningKeys::all() const {
    std::map<std::pair<std::string, std::string>, SigningKey> found;
    for (const auto& [domain, keys] : by_domain_)
        for (const auto& key : keys) found.try_emplace({key.domain, key.selector}, key);
    for (const auto& [name, named] : named_)
        for (const auto& [domain, key] : named.keys)
            if (!key.domain.empty() && !managed_.contains(key.domain))
                found.try_emplace({key.domain, key.selector}, key);
    std::vector<SigningKey> out;
    for (auto& [name, key] : found) out.push_back(std::move(key));
    return out;
}

std::vector<std::string> SigningKeys::files(const SenderOptions& options, env::FileSystem& files) {
    std::vector<std::string> out;
    for (const auto& table : {options.signing_table, options.key_table})
        if (const auto slash = table.find('/'); slash != std::string::npos && !table.starts_with("csl:"))
            out.push_back(table.substr(slash));
    std::vector<std::string> values = options.signing_keys;
    if (!options.arc_seal_key.empty()) values.push_back(options.arc_seal_key);
    if (!options.key_table.empty())
        if (const auto set = read_data_set("dkim_key_table", options.key_table, files))
            for (const auto& entry : set->entries) values.push_back(entry.value);
    for (const auto& text : values) {
        const auto value = parse_key_table_value(text);
        if (!value || !value->key.starts_with('/')) continue;
        if (value->key.find('%') == std::string::npos) {
            out.push_back(value->key);
            continue;
        }
        for (const auto& [domain, path] : files_of_pattern(value->key, files)) out.push_back(path);
    }
    const RotationFolder folder(files, options.key_directory);
    for (const auto& path : folder.state_files()) out.push_back(path);
    if (const auto rotations = folder.all())
        for (const auto& rotation : *rotations)
            for (const auto& key : rotation.keys)
                if (!key.path.empty()) out.push_back(key.path);
    return out;
}

std::string SigningKeys::stamp(const SenderOptions& options, env::FileSystem& files) {
    std::string out;
    for (const auto& path : SigningKeys::files(options, files))
        if (const auto stat = files.stat(path))
            out += fmt::format("{} {} {} {}\n", path, stat->modified.time_since_epoch().count(), stat->size,
                               stat->inode);
    return out;
}

}  // namespace policy
