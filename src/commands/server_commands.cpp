// run, status, stop, reload, and the postfix program's start/stop/reload/check/status.
#include "app/server_process.hpp"
#include "commands/site_loader.hpp"
#include "commands/verb.hpp"

#include <fmt/format.h>
#include <unistd.h>

namespace commands {

using nlohmann::json;

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
    for (const auto& d : answer["destinations"]) {
        fmt::print("  {}:{}  waiting {}, running {} of {}{}\n", d.value("transport", ""),
                   d.value("next_hop", ""), d.value("waiting", 0), d.value("running", 0),
                   d.value("window", 0), d.value("dead", false) ? ", left alone: " + d.value("why", "") : "");
    }
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
