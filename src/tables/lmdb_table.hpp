// lmdb: tables, as Postfix's postmap writes them (keys and values with or without a final NUL). Read-only.
#pragma once

#include "tables/table.hpp"

namespace tables {

std::expected<std::shared_ptr<Table>, TableError> open_lmdb(const std::string& spec, const std::string& path);

}  // namespace tables
