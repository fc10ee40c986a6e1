// SCRAM's server side (RFC 5802 §3, RFC 7677), with and without channel binding. For server.cpp.
#pragma once

#include "sasl/server.hpp"

namespace sasl {

enum class Binding { None, Plus };

std::unique_ptr<ServerMechanism> make_scram_server(ScramHash hash, Binding binding, ServerSetup setup);
std::string_view scram_name(ScramHash hash, Binding binding);

}  // namespace sasl
