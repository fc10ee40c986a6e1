// A report mail as a whole: MIME, packed parts, failure reports, JSON.
#include "reports/extract.hpp"
#include "reports/report_json.hpp"

#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const auto found = reports::extract_reports(input);
    if (found.reports.empty() && found.problems.empty()) std::abort();
    for (const auto& report : found.reports) {
        const auto text = reports::dump(reports::to_json(report));
        if (!reports::parse_object(text)) std::abort();
    }
    const reports::MimeLimits limits;
    if (reports::mime_parts(input).size() > limits.parts_max) std::abort();
    return 0;
}
