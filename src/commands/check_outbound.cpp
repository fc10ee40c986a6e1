#include "commands/check_outbound.hpp"

#include "app/back.hpp"
#include "base/text.hpp"
#include "config/values.hpp"
#include "delivery/in_process_agent.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <unistd.h>

namespace commands {
namespace {

void say_dane(const config::Configuration& configuration, config::Diagnostics& diagnostics) {
    const std::string name = "smtp_tls_security_level";
    if (!base::iequals(configuration.get(name), "dane")) return;
    const auto origin = configuration.origin(name);
    diagnostics.add(config::Severity::Warning, origin.file, origin.line,
                    name +
                        " = dane acts as may: TLS where the other side offers it, and its certificate is not "
                        "checked; TLSA records are not looked up by this version");
}

void check_notices(const config::Configuration& configuration, config::Diagnostics& diagnostics) {
    constexpr std::string_view done[] = {"bounce", "2bounce", "delay"};
    constexpr std::string_view not_done[] = {"data", "policy", "protocol", "resource", "software"};
    if (!configuration.is_set("notify_classes")) return;
    const auto origin = configuration.origin("notify_classes");
    const auto is = [](const std::string& word, const auto& list) {
        return std::ranges::any_of(list, [&](auto one) { return base::iequals(one, word); });
    };
    for (const auto& word : config::split_list(configuration.get("notify_classes"))) {
        if (is(word, done)) continue;
        const bool known = is(word, not_done);
        diagnostics.add(
            known ? config::Severity::Note : config::Severity::Error, origin.file, origin.line,
            known
                ? fmt::format("notify_classes: {} sends no mail here; what it would tell is in the log", word)
                : fmt::format(
                      "notify_classes: '{}' is not one of bounce, 2bounce, data, delay, policy, protocol, "
                      "resource, software",
                      base::printable(word, 60)));
    }
}

}  // namespace

void check_outbound(const app::Site& site, const app::LoopEnvironment& environment,
                    const std::set<env::IpAddress>& own_addresses, config::Diagnostics& diagnostics) {
    say_dane(*site.configuration, diagnostics);
    check_notices(*site.configuration, diagnostics);
    for (const auto& service : site.services)
        if (service.type == "unix" && std::ranges::any_of(service.overrides, [](const auto& setting) {
                return setting.first == "smtp_tls_security_level";
            }))
            say_dane(site.configuration->with_overrides(service), diagnostics);
    if (diagnostics.has_errors()) return;
    delivery::InProcessAgent agent(environment.loop, environment.workers, environment.files, "check",
                                   static_cast<std::uint64_t>(::getpid()), ::geteuid());
    app::Back back(environment, agent, queue::QueueIdSource(0, 0), {});
    if (const auto made = back.use(site, own_addresses); !made)
        diagnostics.add(config::Severity::Error, "", 0, made.error());
}

}  // namespace commands
