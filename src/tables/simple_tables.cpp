#include "tables/simple_tables.hpp"

#include "base/text.hpp"

#include <fmt/format.h>

namespace tables {
namespace {

constexpr std::uint64_t file_octets_max = 512ULL << 20;

Found find_in(const Entries& entries, const std::string& key) {
    const auto at = entries.find(base::lower(key));
    return at == entries.end() ? std::optional<std::string>{} : std::optional(at->second);
}

}  // namespace

env::Task<Found> TableList::lookup(std::string key) const {
    for (const auto& table : tables_) {
        auto found = co_await table->lookup(key);
        if (!found || *found) co_return found;
    }
    co_return std::optional<std::string>{};
}

std::expected<void, std::string> FileTable::read() {
    auto stat = services_.files.stat(path_);
    if (!stat) return std::unexpected(fmt::format("{}: {}", path_, env::to_text(stat.error())));
    auto text = services_.files.read(path_, file_octets_max);
    if (!text) return std::unexpected(fmt::format("{}: {}", path_, env::to_text(text.error())));
    known_ = *stat;
    looked_ = services_.clock.steady();
    auto parsed = parse(*text);
    if (!parsed) return std::unexpected(fmt::format("{}, {}", path_, parsed.error()));
    return {};
}

std::expected<void, TableError> FileTable::load() {
    auto done = read();
    if (!done) return std::unexpected(TableError{done.error()});
    return {};
}

void FileTable::refresh() {
    constexpr auto look_every = std::chrono::seconds(1);
    const auto now = services_.clock.steady();
    if (now - looked_ < look_every) return;
    looked_ = now;
    const auto stat = services_.files.stat(path_);
    if (!stat ||
        (stat->modified == known_.modified && stat->size == known_.size && stat->inode == known_.inode))
        return;
    auto done = read();
    if (!done)
        services_.events.note(base::Severity::Warning, "",
                              done.error() + "; the table as it was stays in force");
}

std::expected<void, std::string> TextTable::parse(std::string_view text) {
    auto entries = parse_source(text, format_);
    if (!entries) return std::unexpected(entries.error());
    entries_ = std::move(*entries);
    return {};
}

env::Task<Found> TextTable::lookup(std::string key) {
    refresh();
    co_return find_in(entries_, key);
}

env::Task<Found> InlineTable::lookup(std::string key) { co_return find_in(entries_, key); }

env::Task<Found> UnionTable::lookup(std::string key) {
    std::string all;
    for (const auto& table : tables_) {
        auto found = co_await table->lookup(key);
        if (!found) co_return found;
        if (*found) all += (all.empty() ? "" : ",") + **found;
    }
    co_return all.empty() ? std::optional<std::string>{} : std::optional(all);
}

env::Task<Found> PasswdTable::lookup(std::string key) {
    auto user = users_.find(key);
    if (!user) co_return std::unexpected(TableError{"the user database cannot be read"});
    if (!*user) co_return std::optional<std::string>{};
    co_return std::optional(fmt::format("{}:x:{}:{}:{}:{}:{}", (*user)->name, (*user)->uid, (*user)->gid,
                                        (*user)->full_name, (*user)->home, (*user)->shell));
}

/// "192.0.2.0/24", "[2001:db8::]/32" or an address off the front of `line`.
std::expected<CidrTable::Network, std::string> CidrTable::take_network(std::string_view& line) {
    const std::string_view pattern = line.substr(0, line.find_first_of(" \t"));
    line.remove_prefix(pattern.size());
    const auto slash = pattern.find('/');
    std::string_view host = pattern.substr(0, slash);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    const auto address = env::IpAddress::parse(host);
    if (!address)
        return std::unexpected(
            fmt::format("'{}' is not an address or network", base::printable(pattern, 60)));
    const unsigned bits = address->is_v4() ? 32 : 128;
    const auto prefix = slash == std::string_view::npos ? std::optional<std::uint64_t>(bits)
                                                        : base::parse_number(pattern.substr(slash + 1), bits);
    if (!prefix) return std::unexpected("bad prefix length");
    return Network{*address, static_cast<unsigned>(*prefix)};
}

std::expected<void, std::string> CidrTable::parse(std::string_view text) {
    auto rules = parse_rules<Network>(text, take_network);
    if (!rules) return std::unexpected(rules.error());
    rules_ = std::move(*rules);
    return {};
}

env::Task<Found> CidrTable::lookup(std::string key) {
    refresh();
    const auto address = env::IpAddress::parse(key);
    if (!address) co_return std::optional<std::string>{};
    const auto* rule = first_match(
        rules_, [&](const Network& network) { return address->in_network(network.address, network.prefix); });
    co_return rule ? std::optional(rule->value) : std::optional<std::string>{};
}

}  // namespace tables
