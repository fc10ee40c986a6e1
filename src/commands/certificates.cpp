// postrider certificates: which certificates are in use and until when; renewing those from ACME now.
#include "app/certificates.hpp"

#include "commands/judge_world.hpp"
#include "commands/site_loader.hpp"
#include "commands/verb.hpp"

#include <cstdio>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace commands {
namespace {

using nlohmann::json;

std::string day_of(std::uint64_t unix_time) {
    return fmt::format("{:%Y-%m-%d %H:%M} UTC", fmt::gmtime(static_cast<std::time_t>(unix_time)));
}

json to_json(const app::ListedCertificate& one) {
    json out = json::object();
    out["parameter"] = one.parameter;
    out["file"] = one.path;
    out["names"] = one.names;
    if (one.not_after != 0) {
        out["not_before"] = one.not_before;
        out["not_after"] = one.not_after;
    }
    if (!one.problem.empty()) out["problem"] = one.problem;
    if (one.attempts && one.attempts->last != 0) {
        out["last_attempt"] = one.attempts->last;
        out["failures"] = one.attempts->failures;
        if (one.attempts->failures > 0) {
            out["next_attempt"] = one.attempts->next;
            out["error"] = one.attempts->error;
        }
    }
    return out;
}

void print(const app::ListedCertificate& one, std::uint64_t now) {
    fmt::print("{}\n  {}: {}\n",
               one.names.empty() ? "(no certificate)" : fmt::format("{}", fmt::join(one.names, ", ")),
               one.parameter, one.path);
    if (one.not_after != 0) {
        const auto days =
            static_cast<std::int64_t>(one.not_after / 86400) - static_cast<std::int64_t>(now / 86400);
        fmt::print("  {} {} ({} days)\n", one.not_after > now ? "valid until" : "EXPIRED",
                   day_of(one.not_after), days);
    }
    if (!one.problem.empty()) fmt::print("  problem: {}\n", one.problem);
    if (one.attempts && one.attempts->failures > 0)
        fmt::print("  the last attempt failed ({} in a row, {}): {}\n  next attempt: {}\n",
                   one.attempts->failures, day_of(one.attempts->last), one.attempts->error,
                   day_of(one.attempts->next));
}

int list(const Invocation& invocation) {
    const auto site = read_site(invocation.directory);
    if (!site) return exit_configuration;
    platform::PosixFileSystem files;
    const auto now = platform::SystemClock().wall();
    const auto certificates = app::list_certificates(*site, files);
    const auto warnings = app::certificate_warnings(*site, files, now);
    bool good = warnings.empty();
    json out = json::object();
    out["certificates"] = json::array();
    out["warnings"] = json::array();
    for (const auto& one : certificates) {
        good = good && one.problem.empty() && !(one.attempts && one.attempts->failures > 0);
        if (invocation.json)
            out["certificates"].push_back(to_json(one));
        else
            print(one, env::unix_time(now));
    }
    for (const auto& warning : warnings) {
        if (invocation.json)
            out["warnings"].push_back(warning.text);
        else
            fmt::print("warning: {}\n", warning.text);
    }
    if (invocation.json)
        fmt::print("{}\n", out.dump(-1, ' ', false, json::error_handler_t::replace));
    else if (certificates.empty())
        fmt::print(
            "No certificate is configured: set smtpd_tls_cert_file, smtpd_tls_chain_files or "
            "acme_domains.\n");
    return good ? exit_ok : exit_failed;
}

int renew(const Invocation& invocation, const std::string& name) {
    bool good = true;
    const bool answered =
        ask(invocation, json{{"verb", "certificates-renew"}, {"name", name}}, [&](const json& line) {
            good = good && line.value("ok", false);
            if (invocation.json)
                fmt::print("{}\n", line.dump(-1, ' ', false, json::error_handler_t::replace));
            else if (line.value("ok", false))
                fmt::print("{}: renewed\n", line.value("certificate", ""));
            else
                fmt::print(stderr, "{}: {}\n", line.value("certificate", ""), line.value("error", ""));
        });
    if (!answered) return exit_unavailable;
    return good ? exit_ok : exit_failed;
}

}  // namespace

int certificates(const Invocation& invocation) {
    const auto& words = invocation.arguments;
    if (words.empty() || (words.size() == 1 && words[0] == "list")) return list(invocation);
    if (words[0] == "renew" && words.size() <= 2) return renew(invocation, words.size() == 2 ? words[1] : "");
    fmt::print(stderr, "postrider certificates: '{}' is not understood; known are list and renew [NAME]\n",
               words.back());
    return exit_usage;
}

}  // namespace commands
