// regexp: and pcre: tables (regexp_table(5), pcre_table(5)) with PCRE2. Matching is bounded, so no subject
// makes it run away.
#pragma once

#include "tables/rules.hpp"
#include "tables/simple_tables.hpp"

#include <memory>

namespace tables {

/// Compiles one "/pattern/flags"; used by the table and for header checks. The error is for people.
class Pattern {
 public:
    static std::expected<Pattern, std::string> compile(std::string_view pattern, std::string_view flags);
    /// nullopt: no match (or over the match limit). Element n is the text of group n.
    std::optional<std::vector<std::string>> match(std::string_view subject) const;

 private:
    std::shared_ptr<void> code_;
};

class PatternTable : public FileTable {
 public:
    using FileTable::FileTable;
    env::Task<Found> lookup(std::string key) override;
    bool takes_whole_key_only() const override { return true; }
    /// For inline use: "pcre:{{/pattern/ value}, …}".
    std::expected<void, std::string> parse(std::string_view text) override;

 private:
    std::vector<Rule<std::optional<Pattern>>> rules_;
};

}  // namespace tables
