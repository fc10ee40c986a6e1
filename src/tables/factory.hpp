// Opens tables by their main.cf form "type:name" (DATABASE_README's types). hash:, btree: and texthash: read
// the source text file itself, and read it anew when it changes; nothing needs postmap. A broken new version
// leaves the old one in force. One factory (and what it opens) belongs to one loop.
#pragma once

#include "base/event.hpp"
#include "env/clock.hpp"
#include "env/file_system.hpp"
#include "tables/table.hpp"

#include <expected>
#include <map>
#include <memory>
#include <string>

namespace tables {

/// How the source text reads: "key value" lines (postmap(1)), or "name: value" (aliases(5)).
enum class SourceFormat { Map, Alias };

struct TableServices {
    env::FileSystem& files;
    env::Clock& clock;
    env::UserDatabase& users;
    base::EventSink& events;
};

class Factory {
 public:
    explicit Factory(TableServices services) : services_(services) {}
    std::expected<std::shared_ptr<Table>, TableError> open(const std::string& spec,
                                                           SourceFormat format = SourceFormat::Map);
    /// "hash:/a, regexp:/b"
    std::expected<TableList, TableError> open_list(const std::string& specs,
                                                   SourceFormat format = SourceFormat::Map);

 private:
    TableServices services_;
    std::map<std::pair<std::string, SourceFormat>, std::shared_ptr<Table>> opened_;
};

/// The whole text of a Map or Alias source. Errors name the line.
using Entries = std::map<std::string, std::string, std::less<>>;
std::expected<Entries, std::string> parse_source(std::string_view text, SourceFormat format);

}  // namespace tables
