// Reports for the terminal: who sends in a domain's name, from where, aligned or not, as tables and a chart.
#pragma once

#include "reports/extract.hpp"

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace commands {

struct TableOptions {
    std::size_t rows_max = 30;  // of one table
    std::size_t width = 100;    // columns of the terminal
};

/// Of all reports together, a table for each policy domain.
std::string sources_table(const std::vector<reports::AggregateReport>& reports, const TableOptions& options);
/// One report: who made it, about what, then its sources.
std::string describe(const reports::Report& report, const TableOptions& options);
std::string describe_tls(const nlohmann::json& report);
std::string describe_failure(const nlohmann::json& report);
/// "2026-11-24"; "-" for 0.
std::string day_text(std::uint64_t unix_time);

}  // namespace commands
