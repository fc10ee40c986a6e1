// What the judges (spf, verify, arc) need: options by name, and a world with a resolver of their own.
#pragma once

#include "commands/real_world.hpp"
#include "commands/verb.hpp"
#include "platform/unbound_resolver.hpp"

#include <expected>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace commands {

/// "--name value" and "--name=value" words; what is not known is an error with the usage's words.
class NamedOptions {
 public:
    static std::expected<NamedOptions, std::string> parse(const std::vector<std::string>& words,
                                                          const std::vector<std::string_view>& names);
    bool has(std::string_view name) const { return values_.contains(name); }
    std::string get(std::string_view name, std::string fallback = {}) const;
    /// Words that are no options, in order.
    const std::vector<std::string>& rest() const { return rest_; }

 private:
    std::map<std::string, std::string, std::less<>> values_;
    std::vector<std::string> rest_;
};

class JudgeWorld : public RealWorld {
 public:
    /// `resolver`: "HOST:PORT", or empty: the machine's name servers.
    static std::expected<std::unique_ptr<JudgeWorld>, std::string> make(const std::string& resolver);
    platform::UnboundResolver& resolver() { return *resolver_; }

 private:
    std::unique_ptr<platform::UnboundService> service_;
    std::unique_ptr<platform::UnboundResolver> resolver_;
};

/// All of standard input, at most `octets_max`.
std::string read_standard_input(std::size_t octets_max = 256UL << 20);

/// A message as it goes over the wire, in two parts: fields with CRLF, and the body behind the empty line.
struct WireMessage {
    std::string header_block, body;
};
WireMessage split_message(std::string_view text);

/// On standard output, indented; octets that are no UTF-8 become U+FFFD.
void print_json(const nlohmann::ordered_json& json);

int usage_error(std::string_view verb, std::string_view problem);

}  // namespace commands
