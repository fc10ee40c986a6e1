// Finds the reports in what came: a mail with attachments, or an attachment by itself; packed or plain.
// Bounded whatever the input claims; runs on workers. Pure.
#pragma once

#include "reports/aggregate.hpp"
#include "reports/archive.hpp"
#include "reports/failure.hpp"
#include "reports/tls_report.hpp"

#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace reports {

using Report = std::variant<AggregateReport, FailureReport, TlsReport>;

struct ExtractLimits {
    std::size_t unpacked_max = 32UL << 20;  // octets, of everything in one mail
    std::size_t reports_max = 20;
    std::size_t depth_max = 2;  // a gzip in a zip
};

struct Extracted {
    std::vector<Report> reports;
    std::vector<std::string> problems;  // of what could not be read; with no report at all: why
    std::string from, subject;          // of the mail; empty for a bare attachment
};

Extracted extract_reports(std::string_view octets, const ExtractLimits& limits = {});

}  // namespace reports
