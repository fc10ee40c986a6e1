#include "tables/factory.hpp"

#include "base/result.hpp"
#include "base/text.hpp"
#include "config/values.hpp"
#include "tables/lmdb_table.hpp"
#include "tables/pattern_table.hpp"
#include "tables/simple_tables.hpp"

#include <fmt/format.h>

namespace tables {
namespace {

// "{key=value, key=value}" or "{ {key = value}, … }".
std::expected<Entries, TableError> inline_entries(std::string_view name) {
    const auto inner = config::inside_braces(name);
    if (!inner) return std::unexpected(TableError{"inline: needs {key=value, …}"});
    Entries out;
    for (const auto& item : config::split_list(*inner)) {
        std::string_view text = item;
        if (const auto braced = config::inside_braces(text)) text = *braced;
        const auto equals = text.find('=');
        if (equals == std::string_view::npos)
            return std::unexpected(TableError{fmt::format("inline: '{}' is not key=value", item)});
        out.emplace(base::lower(base::trim(text.substr(0, equals))), base::trim(text.substr(equals + 1)));
    }
    return out;
}

template <class T, class... More>
std::expected<std::shared_ptr<Table>, TableError> loaded(const std::string& spec, const std::string& path,
                                                         TableServices services, More... more) {
    auto table = std::make_shared<T>(spec, path, services, more...);
    auto done = table->load();
    if (!done) return std::unexpected(done.error());
    return table;
}

}  // namespace

std::expected<std::shared_ptr<Table>, TableError> Factory::open(const std::string& spec,
                                                                SourceFormat format) {
    if (const auto known = opened_.find({spec, format}); known != opened_.end()) return known->second;
    const auto colon = spec.find(':');
    if (colon == std::string::npos)
        return std::unexpected(TableError{fmt::format("'{}' is not type:name", spec)});
    const std::string type = spec.substr(0, colon);
    const std::string name = spec.substr(colon + 1);
    std::expected<std::shared_ptr<Table>, TableError> out;
    if (type == "hash" || type == "btree" || type == "texthash" || type == "dbm")
        out = loaded<TextTable>(spec, name, services_, format);
    else if (type == "cidr")
        out = loaded<CidrTable>(spec, name, services_);
    else if (type == "regexp" || type == "pcre")
        out = loaded<PatternTable>(spec, name, services_);
    else if (type == "proxy")
        return open(name, format);
    else if (type == "lmdb")
        out = open_lmdb(spec, name);
    else if (type == "static") {
        const auto inner = config::inside_braces(name);
        out = std::make_shared<StaticTable>(spec, inner ? std::string(*inner) : name);
    } else if (type == "inline") {
        TRY_ASSIGN(Entries entries, inline_entries(name));
        out = std::make_shared<InlineTable>(spec, std::move(entries));
    } else if (type == "unionmap") {
        std::vector<std::shared_ptr<Table>> parts;
        for (const auto& part : config::split_list(config::inside_braces(name).value_or(name))) {
            TRY_ASSIGN(auto table, open(part, format));
            parts.push_back(std::move(table));
        }
        out = std::make_shared<UnionTable>(spec, std::move(parts));
    } else if (type == "fail")
        out = std::make_shared<FailTable>(spec);
    else if (spec == "unix:passwd.byname")
        out = std::make_shared<PasswdTable>(spec, services_.users);
    else
        return std::unexpected(
            TableError{fmt::format("table type '{}' ({}) is not supported by this version", type, spec)});
    if (out) opened_.emplace(std::pair(spec, format), *out);
    return out;
}

std::expected<TableList, TableError> Factory::open_list(const std::string& specs, SourceFormat format) {
    std::vector<std::shared_ptr<Table>> out;
    for (const auto& spec : config::split_list(specs)) {
        TRY_ASSIGN(auto table, open(spec, format));
        out.push_back(std::move(table));
    }
    return TableList(std::move(out));
}

}  // namespace tables
