// A configuration as one immutable value: main.cf, one service's -o overrides, computed defaults. Values are
// expanded when asked for ($name, ${name?yes:no}, ${{a} == {b} ? {x} : {y}}: postconf(5)). A reload makes a
// new one.
#pragma once

#include "config/diagnostics.hpp"
#include "config/main_cf.hpp"
#include "config/master_cf.hpp"
#include "config/registry.hpp"

#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace config {

/// What the machine says: defaults that Postfix computes.
struct Machine {
    std::string host_name = "localhost";
    std::vector<std::string> interface_networks;   // "192.0.2.0/24", for mynetworks_style = subnet
    std::vector<std::string> interface_addresses;  // for mynetworks_style = host
};

struct Origin {
    std::string file;
    int line = 0;
};

class Configuration {
 public:
    Configuration(std::shared_ptr<const Registry> registry, std::vector<Setting> settings, Machine machine);
    /// The same with a service's overrides on top.
    Configuration with_overrides(const Service& service) const;

    /// What an lmtp service reads: lmtp_… under the names of the smtp client. Of what main.cf and -o say with
    /// smtp_… nothing is left, as in Postfix: that is about other servers.
    Configuration for_lmtp() const;

    /// As written, unexpanded: the setting, else the default, else nullopt (unknown).
    std::optional<std::string> raw(std::string_view name) const;
    /// Expanded. Unknown names are "".
    std::string get(std::string_view name) const;
    bool is_set(std::string_view name) const { return settings_.contains(name); }
    /// Where the value comes from; an empty file: the default.
    Origin origin(std::string_view name) const;
    std::expected<std::string, std::string> expand(std::string_view text) const;
    const Registry& registry() const { return *registry_; }
    /// What main.cf sets, in order, the last of each name.
    std::vector<Setting> settings() const;
    /// Default of a name, unexpanded: the computed one, ours, or Postfix's.
    std::optional<std::string> default_of(std::string_view name) const;

 private:
    struct Value {
        std::string text;
        std::string file;
        int line = 0;
        std::size_t order = 0;
    };
    std::expected<std::string, std::string> expand(std::string_view text, int depth) const;
    std::expected<std::string, std::string> expand_macro(std::string_view body, int depth) const;
    std::shared_ptr<const Registry> registry_;
    std::map<std::string, Value, std::less<>> settings_;
    std::map<std::string, std::string, std::less<>> computed_;
};

/// Postfix's parameters and their defaults in 3.7 (postconf -d), for judging what we do not honour. nullptr:
/// not a name of Postfix's.
const std::string_view* postfix_default(std::string_view name);
/// Names without effect here that need no word: paths, packaging, debugging.
bool is_harmless(std::string_view name);

/// Reports what main.cf and master.cf ask for and we do not do: unknown names with the nearest known one,
/// Postfix's names that are not honoured. A name that decides who may send what, or what is encrypted, is an
/// error.
void judge_names(const Configuration& configuration, const std::vector<Service>& services,
                 Diagnostics& diagnostics);

}  // namespace config
