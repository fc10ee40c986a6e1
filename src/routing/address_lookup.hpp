// Looking an address up as Postfix does: user+ext@domain, user@domain, user (in our own domains), @domain.
// Tables that want the whole key are asked with the whole address only.
#pragma once

#include "mail/address.hpp"
#include "tables/table.hpp"

#include <optional>
#include <string>

namespace routing {

struct LookupForms {
    std::string delimiter;                                      // recipient_delimiter: any of its characters
    enum class Local { No, Yes } local = Local::No;             // also the bare user
    enum class CatchAll { No, Yes } catch_all = CatchAll::Yes;  // also @domain
};

struct AddressFound {
    std::string value;
    std::string extension;  // what the matching form left off, with its delimiter
};

/// The user without extension, and the extension with its delimiter ("" none). owner-, -request and
/// MAILER-DAEMON stay whole.
std::pair<std::string, std::string> split_extension(const std::string& local_part,
                                                    const std::string& delimiter);

env::Task<std::expected<std::optional<AddressFound>, tables::TableError>> look_up_address(
    const tables::TableList& tables, mail::Address address, LookupForms forms);

}  // namespace routing
