// What the judges (spf, verify, arc) need: options by name, and a world with a resolver of their own.
#pragma once

#include "app/site.hpp"
#include "commands/real_world.hpp"
#include "commands/verb.hpp"
#include "dkim/crypto.hpp"
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
    /// `flags`: those of `names` that take no value.
    static std::expected<NamedOptions, std::string> parse(const std::vector<std::string>& words,
                                                          const std::vector<std::string_view>& names,
                                                          const std::vector<std::string_view>& flags = {});
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
    static std::expected<std::unique_ptr<JudgeWorld>, std::string> make(platform::DnsSettings settings);
    platform::UnboundResolver& resolver() { return *resolver_; }

 private:
    std::unique_ptr<platform::UnboundService> service_;
    std::unique_ptr<platform::UnboundResolver> resolver_;
};

/// --resolver, else the name servers of the configuration.
std::expected<std::unique_ptr<JudgeWorld>, std::string> make_judge_world(const NamedOptions& options,
                                                                         const app::Site& site);

/// All of standard input. Error: it cannot be read, or is longer than `octets_max`.
std::expected<std::string, std::string> read_standard_input(std::size_t octets_max = 256UL << 20);

/// A message as it goes over the wire, in two parts: fields with CRLF, and the body behind the empty line.
struct WireMessage {
    std::string header_block, body;
};
WireMessage split_message(std::string_view text);

/// On standard output, indented; octets that are no UTF-8 become U+FFFD.
void print_json(const nlohmann::ordered_json& json);

/// A private key for the command line; the error names the file.
std::expected<dkim::PrivateKey, std::string> read_private_key(const std::string& path);
/// "from:to cc, date" as words.
std::vector<std::string> name_list(const std::string& text);
/// --now UNIXTIME, else the clock's.
std::expected<std::uint64_t, std::string> time_of(const NamedOptions& options);

int usage_error(std::string_view verb, std::string_view problem);

}  // namespace commands
