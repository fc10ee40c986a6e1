// Reports as JSON: what the history keeps and `--json` prints. Names are the XML's and the RFCs' own. Pure.
#pragma once

#include "reports/extract.hpp"

#include <nlohmann/json_fwd.hpp>
#include <optional>

namespace reports {

nlohmann::json to_json(const AggregateReport& report);
nlohmann::json to_json(const FailureReport& report);
nlohmann::json to_json(const TlsReport& report);
nlohmann::json to_json(const Report& report);
nlohmann::json to_json(const PublishedPolicy& policy);
/// Without its count: what tells one row from another.
nlohmann::json to_json(const AggregateRow& row);

/// Members that are missing or of another type are empty: never throws.
AggregateReport aggregate_from_json(const nlohmann::json& value);
PublishedPolicy policy_from_json(const nlohmann::json& value);
AggregateRow row_from_json(const nlohmann::json& value);

/// One line; octets that are no UTF-8 become U+FFFD.
std::string dump(const nlohmann::json& value);
/// nullopt: no JSON object.
std::optional<nlohmann::json> parse_object(std::string_view text);
std::string text_in(const nlohmann::json& value, const char* name);
std::uint64_t number_in(const nlohmann::json& value, const char* name);

}  // namespace reports
