// OpenDKIM's data sets, SigningTable and KeyTable (opendkim.conf(5)), so that its files can be taken over as
// they are. Values: files are read once, when the configuration is.
#pragma once

#include "env/file_system.hpp"

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace policy {

struct DataSet {
    enum class Kind { Exact, Patterns } kind = Kind::Exact;  // refile: has patterns
    struct Entry {
        std::string where;  // "/etc/opendkim/KeyTable, line 3"
        std::string key, value;
    };
    std::vector<Entry> entries;
};

/// `text`: a path, "file:/path", "refile:/path" or "csl:key=value,…". '#' begins a comment. Errors name the
/// file and line; types that need a database are errors too.
std::expected<DataSet, std::string> read_data_set(std::string_view what, std::string_view text,
                                                  env::FileSystem& files);

/// Glob: '*' is any text, of any length; letters of either case are equal. Linear in each '*'.
bool matches_pattern(std::string_view pattern, std::string_view text);

class SigningTable {
 public:
    struct Match {
        std::string key_name;
        std::string identity;  // i=; empty: none given
    };
    SigningTable() = default;
    explicit SigningTable(DataSet set);
    bool empty() const { return entries_.empty(); }
    struct Entry {
        std::string where, pattern;
        Match match;  // % not yet replaced
    };
    const std::vector<Entry>& entries() const { return entries_; }
    enum class Take { First, All };
    /// For "local@domain"; % in what is found is replaced by the domain.
    std::vector<Match> find(std::string_view author, Take take) const;

 private:
    DataSet::Kind kind_ = DataSet::Kind::Exact;
    std::vector<Entry> entries_;
};

/// "domain:selector:key" of a KeyTable; `domain` may be "%", `key` is a path, or a key in PEM or base64.
struct KeyTableValue {
    std::string domain, selector, key;
    bool is_path() const { return key.starts_with('/') || key.starts_with('.'); }
};
std::expected<KeyTableValue, std::string> parse_key_table_value(std::string_view text);

}  // namespace policy
