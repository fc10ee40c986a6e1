// postrider reports: what others say of mail in our name, what we told others, and reading a report by hand.
#include "base/text.hpp"
#include "commands/judge_world.hpp"
#include "commands/report_tables.hpp"
#include "commands/verb.hpp"
#include "reports/report_json.hpp"

#include <cstdio>
#include <fmt/format.h>
#include <memory>
#include <nlohmann/json.hpp>
#include <sys/ioctl.h>
#include <unistd.h>

namespace commands {

using nlohmann::json;

namespace {

TableOptions table_options(const NamedOptions& options) {
    TableOptions out;
    winsize size{};
    constexpr std::size_t narrow = 80, wide = 160;
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        out.width = std::clamp<std::size_t>(size.ws_col, narrow, wide);
    if (const auto top = base::parse_number(options.get("top"), 1'000'000))
        out.rows_max = static_cast<std::size_t>(*top);
    return out;
}

/// A file, or standard input for "-". Error: for people.
std::expected<std::string, std::string> read_input(const std::string& path) {
    constexpr std::uint64_t octets_max = 64UL << 20;
    if (path == "-") return read_standard_input(octets_max);
    platform::PosixFileSystem files;
    auto text = files.read(path, octets_max);
    if (!text) return std::unexpected(fmt::format("{}: {}", path, env::to_text(text.error())));
    return std::move(*text);
}

int parse_reports(const Invocation& invocation, const NamedOptions& options) {
    if (options.rest().size() != 2)
        return usage_error("reports", "parse needs one FILE, or - for standard input");
    const auto octets = read_input(options.rest()[1]);
    if (!octets) {
        fmt::print(stderr, "postrider reports: {}\n", octets.error());
        return exit_failed;
    }
    const auto found = reports::extract_reports(*octets);
    if (invocation.json) {
        nlohmann::ordered_json out = nlohmann::ordered_json::object();
        out["reports"] = nlohmann::ordered_json::array();
        for (const auto& report : found.reports)
            out["reports"].push_back(nlohmann::ordered_json(reports::to_json(report)));
        out["problems"] = found.problems;
        out["from"] = found.from;
        out["subject"] = found.subject;
        print_json(out);
    } else {
        for (std::size_t i = 0; i < found.reports.size(); ++i)
            fmt::print("{}{}", i == 0 ? "" : "\n", describe(found.reports[i], table_options(options)));
        for (const auto& problem : found.problems) fmt::print(stderr, "postrider reports: {}\n", problem);
    }
    return found.reports.empty() ? exit_failed : exit_ok;
}

}  // namespace

int reports_verb(const Invocation& invocation) {
    const auto options = NamedOptions::parse(invocation.arguments, {"top"});
    if (!options) return usage_error("reports", options.error());
    const std::string action = options->rest().empty() ? "received" : options->rest().front();
    if (action == "parse") return parse_reports(invocation, *options);
    return usage_error("reports", fmt::format("there is no '{}'", action));
}

}  // namespace commands
