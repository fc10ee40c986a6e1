// Aggregate reports come from strangers: whatever is read can be written, and is then read as the same.
#include "reports/aggregate.hpp"

#include "reports/report_json.hpp"

#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    auto report = reports::parse_aggregate_xml({reinterpret_cast<const char*>(data), size});
    if (!report) return 0;
    const reports::AggregateLimits limits;
    if (report->problems.size() > limits.problems_max || report->rows.size() > limits.rows_max) std::abort();
    if (reports::aggregate_from_json(reports::to_json(*report)) != *report) std::abort();
    reports::dump(reports::to_json(*report));
    const auto again = reports::parse_aggregate_xml(reports::to_xml(*report));
    if (!again || again->rows.size() != report->rows.size() || again->messages() != report->messages())
        std::abort();
    return 0;
}
