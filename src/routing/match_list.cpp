#include "routing/match_list.hpp"

#include "base/result.hpp"
#include "base/text.hpp"
#include "config/values.hpp"

#include <fmt/format.h>

namespace routing {
namespace {

constexpr std::uint64_t list_file_max = 16 << 20;

bool is_table(std::string_view item) {
    const auto colon = item.find(':');
    if (colon == std::string_view::npos || colon == 0) return false;
    for (const char c : item.substr(0, colon))
        if (!base::is_lower(c)) return false;
    return true;
}

// Items of the text; those that are file names are replaced by the files' items.
std::expected<std::vector<std::string>, std::string> items_of(const std::string& text,
                                                              env::FileSystem& files) {
    std::vector<std::string> out;
    for (auto& item : config::split_list(text)) {
        const bool negated = item.starts_with('!');
        const std::string name = negated ? item.substr(1) : item;
        if (!name.starts_with('/')) {
            out.push_back(std::move(item));
            continue;
        }
        auto content = files.read(name, list_file_max);
        if (!content) return std::unexpected(fmt::format("{}: {}", name, env::to_text(content.error())));
        for (std::string_view line : base::split(*content, '\n')) {
            line = base::trim(line.substr(0, line.find('#')));
            for (const auto& word : config::split_list(line)) out.push_back((negated ? "!" : "") + word);
        }
    }
    return out;
}

/// What items of every kind of list have: "!" (taken off `word`), and a table instead of a word.
template <class Item>
std::expected<Item, std::string> begin_item(std::string_view& word, tables::Factory& factory) {
    Item out;
    out.negated = word.starts_with('!');
    if (out.negated) word.remove_prefix(1);
    if (!is_table(word)) return out;
    auto table = factory.open(std::string(word));
    if (!table) return std::unexpected(table.error().text);
    out.table = std::move(*table);
    return out;
}

}  // namespace

std::expected<DomainList, std::string> DomainList::make(const std::string& text, tables::Factory& factory,
                                                        env::FileSystem& files, Subdomains subdomains) {
    DomainList out;
    out.subdomains_ = subdomains;
    TRY_ASSIGN(const auto items, items_of(text, files));
    for (std::string_view word : items) {
        TRY_ASSIGN(Item item, begin_item<Item>(word, factory));
        if (!item.table) item.domain = base::lower(word);
        out.items_.push_back(std::move(item));
    }
    return out;
}

env::Task<std::expected<bool, tables::TableError>> DomainList::contains(std::string domain) const {
    domain = base::lower(domain);
    for (const auto& item : items_) {
        bool matches = false;
        if (item.table) {
            auto found = co_await item.table->lookup(domain);
            if (!found) co_return std::unexpected(found.error());
            matches = found->has_value();
        } else if (item.domain == domain) {
            matches = true;
        } else if (item.domain.starts_with('.')) {
            matches = domain.ends_with(item.domain);
        } else if (subdomains_ == Subdomains::Parents) {
            matches = domain.ends_with("." + item.domain);
        }
        if (matches) co_return !item.negated;
    }
    co_return false;
}

std::expected<NetworkList, std::string> NetworkList::make(const std::string& text, tables::Factory& factory,
                                                          env::FileSystem& files) {
    NetworkList out;
    TRY_ASSIGN(const auto items, items_of(text, files));
    for (std::string_view word : items) {
        TRY_ASSIGN(Item item, begin_item<Item>(word, factory));
        if (item.table) {
            out.items_.push_back(std::move(item));
            continue;
        }
        const auto slash = word.rfind('/');
        std::string_view host = word.substr(0, slash);
        const bool v6_form = host.starts_with('[') && host.ends_with(']');
        if (v6_form) host = host.substr(1, host.size() - 2);
        const auto address = env::IpAddress::parse(host);
        if (!address)
            return std::unexpected(fmt::format("'{}' is not a network; write 192.0.2.0/24 or [2001:db8::]/32",
                                               base::printable(word, 60)));
        const bool mapped = v6_form && address->is_v4();
        const unsigned bits = address->is_v4() ? 32 : 128;
        auto prefix = slash == std::string_view::npos
                          ? std::optional<std::uint64_t>(bits)
                          : base::parse_number(word.substr(slash + 1), mapped ? 128 : bits);
        if (prefix && mapped && slash != std::string_view::npos)
            prefix = *prefix >= 96 ? std::optional<std::uint64_t>(*prefix - 96) : std::nullopt;
        if (!prefix)
            return std::unexpected(fmt::format("'{}': bad prefix length", base::printable(word, 60)));
        item.network = *address;
        item.prefix = static_cast<unsigned>(*prefix);
        out.items_.push_back(std::move(item));
    }
    return out;
}

env::Task<std::expected<bool, tables::TableError>> NetworkList::contains(env::IpAddress address) const {
    for (const auto& item : items_) {
        bool matches = false;
        if (item.table) {
            auto found = co_await item.table->lookup(address.text());
            if (!found) co_return std::unexpected(found.error());
            matches = found->has_value();
        } else {
            matches = address.in_network(item.network, item.prefix);
        }
        if (matches) co_return !item.negated;
    }
    co_return false;
}

}  // namespace routing
