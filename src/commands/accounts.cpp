// postrider accounts: what the accounts that logged in have sent in the last hour and day.
#include "commands/site_loader.hpp"
#include "commands/verb.hpp"

#include <fmt/format.h>

namespace commands {

using nlohmann::json;

int accounts(const Invocation& invocation) {
    if (invocation.arguments.size() > 1) {
        fmt::print(stderr, "usage: postrider [-c DIR] accounts [NAME] [--json]\n");
        return exit_usage;
    }
    json request{{"verb", "accounts"}};
    if (!invocation.arguments.empty()) request["account"] = invocation.arguments.front();
    bool any = false;
    const bool answered = ask(invocation, request, [&](const json& line) {
        if (invocation.json) {
            fmt::print("{}\n", line.dump(-1, ' ', false, json::error_handler_t::replace));
            return;
        }
        if (!any)
            fmt::print("{:<40} {:>15} {:>17} {:>10}\n{:<40} {:>7} {:>7} {:>8} {:>8} {:>10}\n", "",
                       "messages in", "recipients in", "usual day", "account", "hour", "day", "hour", "day",
                       "recipients");
        any = true;
        fmt::print("{:<40} {:>7} {:>7} {:>8} {:>8} {:>10}{}\n", line.value("account", ""),
                   line.value("messages_hour", 0), line.value("messages_day", 0),
                   line.value("recipients_hour", 0), line.value("recipients_day", 0),
                   line.value("recipients_usual_day", 0),
                   line.value("conspicuous", false) ? "  far more than usual" : "");
    });
    if (!answered) return exit_unavailable;
    if (!any && !invocation.json) fmt::print("No account has sent mail in the last 24 hours.\n");
    return exit_ok;
}

}  // namespace commands
