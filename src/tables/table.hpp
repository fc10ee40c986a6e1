// A lookup table ("hash:/etc/aliases"): key to value. Postfix's DATABASE_README semantics; the search order
// over address forms belongs to routing/ and policy/. One object serves one loop.
#pragma once

#include "env/task.hpp"

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tables {

/// A failed lookup is temporary by nature: 4xx or deferral, never "not found". The text is for logs.
struct TableError {
    std::string text;
};

using Found = std::expected<std::optional<std::string>, TableError>;

class Table {
 public:
    virtual ~Table() = default;
    /// Keyed tables (hash, lmdb, …) fold keys to lower case; regexp/pcre/cidr see the key as it is.
    virtual env::Task<Found> lookup(std::string key) = 0;
    /// True for regexp, pcre, cidr, static, …: partial keys (domain, user@, parent domains) are not tried
    /// with these.
    virtual bool takes_whole_key_only() const = 0;
    /// "hash:/etc/postfix/virtual", for logs.
    virtual const std::string& spec() const = 0;
};

/// An ordered list of tables ("hash:/a, regexp:/b"): the first hit wins; an error ends the search.
class TableList {
 public:
    TableList() = default;
    explicit TableList(std::vector<std::shared_ptr<Table>> tables) : tables_(std::move(tables)) {}
    env::Task<Found> lookup(std::string key) const;
    const std::vector<std::shared_ptr<Table>>& tables() const { return tables_; }
    bool empty() const { return tables_.empty(); }

 private:
    std::vector<std::shared_ptr<Table>> tables_;
};

}  // namespace tables
