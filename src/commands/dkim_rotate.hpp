// postrider dkim rotate, and what dkim keygen shares with it.
#pragma once

#include "commands/judge_world.hpp"
#include "dkim/crypto.hpp"

#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace commands {

/// "rsa-sha256" or "ed25519-sha256", also "rsa" and "ed25519".
std::optional<dkim::Algorithm> parse_key_algorithm(std::string_view text);

/// Whose the keys are: mail_owner, when we are root and the configuration names one who exists.
class KeyOwner {
 public:
    explicit KeyOwner(const std::string& directory);
    /// A new file, mode 0600; it must not exist yet.
    std::expected<void, std::string> write_key(const std::string& path, std::string_view pem) const;
    std::expected<void, std::string> make_folder(const std::string& path) const;
    std::expected<void, std::string> give(const std::string& path) const;

 private:
    std::string name_;
    std::optional<std::pair<unsigned, unsigned>> ids_;  // user, group
};

int dkim_rotate(const Invocation& invocation, const NamedOptions& options);

}  // namespace commands
