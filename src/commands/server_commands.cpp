// run, status, stop, reload, and the postfix program's start/stop/reload/check/status.
#include "app/server_process.hpp"
#include "base/text.hpp"
#include "commands/site_loader.hpp"
#include "commands/verb.hpp"

#include <fmt/format.h>
#include <unistd.h>

namespace commands {

using nlohmann::json;

namespace {

std::string why_it_waits(const json& destination) {
    const std::string waits = destination.value("waits_for", "");
    const std::string why = base::printable(destination.value("why", ""));
    const int left = destination.value("seconds_left", 0);
    if (waits == "dead") return fmt::format("; left alone for {} s: {}", left, why);
    std::string out;
    if (waits == "window") out = "; as many deliveries as it may have at once are under way";
    if (waits == "rate delay") out = fmt::format("; the next in {} s (rate delay)", left);
    if (waits == "transport") out = "; the transport runs as many deliveries as master.cf allows it";
    return why.empty() ? out : out + "; failed last: " + why;
}

}  // namespace

int run(const Invocation& invocation) { return app::run_server(invocation.directory); }

int status(const Invocation& invocation) {
    json answer;
    const bool answered = ask(invocation, json{{"verb", "status"}}, [&](const json& line) { answer = line; });
    if (!answered) return exit_unavailable;
    if (invocation.json) {
        fmt::print("{}\n", answer.dump());
        return exit_ok;
    }
    fmt::print("running for {} s, {} connections\n", answer.value("uptime_seconds", 0),
               answer.value("connections", 0));
    fmt::print("queue: {} active, {} deferred, {} on hold\n", answer.value("active", 0),
               answer.value("deferred", 0), answer.value("hold", 0));
    for (const auto& warning : answer["warnings"])
        if (warning.is_string()) fmt::print("warning: {}\n", warning.get<std::string>());
    for (const auto& d : answer["destinations"])
        fmt::print("  {}:{}  waiting {}, running {} of {:.0f}{}\n", d.value("transport", ""),
                   base::printable(d.value("next_hop", "")), d.value("waiting", 0), d.value("running", 0),
                   d.value("window", 0.0), why_it_waits(d));
    return exit_ok;
}

int stop(const Invocation& invocation) {
    return ask(invocation, json{{"verb", "stop"}}, [](const json&) {}) ? exit_ok : exit_unavailable;
}

int reload(const Invocation& invocation) {
    if (const int status = check(invocation); status != exit_ok) return status;
    return ask(invocation, json{{"verb", "reload"}}, [](const json&) {}) ? exit_ok : exit_unavailable;
}

int postfix(const Invocation& invocation) {
    if (invocation.arguments.empty()) {
        fmt::print(stderr,
                   "usage: postfix [-c DIR] start | start-fg | stop | reload | check | status | flush\n");
        return exit_usage;
    }
    Invocation inner = invocation;
    const std::string what = invocation.arguments.front();
    inner.arguments.erase(inner.arguments.begin());
    if (what == "check") return check(inner);
    if (what == "reload") return reload(inner);
    if (what == "stop" || what == "abort") return stop(inner);
    if (what == "status") return status(inner);
    if (what == "start-fg") return run(inner);
    if (what == "start") {
        // The program goes to the background, as people know it; a service manager starts `postrider run`.
        if (const int status = check(inner); status != exit_ok) return status;
        return ::daemon(1, 0) == 0 ? run(inner) : exit_software;
    }
    if (what == "flush") {
        inner.arguments = {"-f"};
        return postqueue(inner);
    }
    fmt::print(
        stderr,
        "postfix: unknown command '{}'; known are start, start-fg, stop, reload, check, status, flush\n",
        what);
    return exit_usage;
}

}  // namespace commands
