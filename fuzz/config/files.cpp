// main.cf and master.cf, with expansion.
#include "config/configuration.hpp"
#include "config/main_cf.hpp"
#include "config/master_cf.hpp"

#include <cstdint>
#include <memory>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    config::Diagnostics diagnostics;
    auto settings = config::parse_main_cf(input, "main.cf", diagnostics);
    const config::Configuration configuration(std::make_shared<config::Registry>(), std::move(settings), {});
    for (const auto& setting : configuration.settings()) configuration.get(setting.name);
    const auto services = config::parse_master_cf(input, "master.cf", diagnostics);
    for (const auto& service : services) {
        config::parse_listen_address(service.name);
        configuration.with_overrides(service).get("x");
    }
    config::judge_names(configuration, services, diagnostics);
    for (const auto& one : diagnostics.list()) one.render();
    return 0;
}
