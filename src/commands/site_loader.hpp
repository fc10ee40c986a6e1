// Reads the configuration directory for a command, and says what hinders.
#pragma once

#include "app/options.hpp"
#include "app/site.hpp"
#include "commands/control_client.hpp"
#include "commands/verb.hpp"

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>

namespace commands {

/// Null: it cannot be read; what is wrong went to standard error.
std::shared_ptr<const app::Site> read_site(const std::string& directory);
/// The program's options of it.
app::ProgramOptions program_options(const app::Site& site);

/// Asks the running server; prints what hinders. `on_line` gets each line of the answer. True: answered.
bool ask(const Invocation& invocation, nlohmann::json request,
         const std::function<void(const nlohmann::json&)>& on_line);
/// The same, and prints nothing. The trouble: why there is no answer.
std::expected<void, ServerTrouble> try_asking(const Invocation& invocation, nlohmann::json request,
                                              const std::function<void(const nlohmann::json&)>& on_line);

}  // namespace commands
