// Rotation of DKIM keys with overlap (RFC 6376 §3.6.1, RFC 5863 §3.5): publish the next keys, see them in
// the DNS, switch, retire the old ones. A state machine without I/O, and the folder where its states are
// kept, one small text file a domain, beside the keys. It may be stopped and started again at any point.
#pragma once

#include "dkim/published_key.hpp"
#include "env/file_system.hpp"

#include <chrono>
#include <cstdint>
#include <expected>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace policy {

struct RotationKey {
    enum class Role {
        Active,   // signs
        Next,     // to be published, does not sign yet
        Old,      // signed until the switch; its record must stay for mail that is under way
        Retired,  // no longer needed: its record is to be removed
    } role = Role::Next;
    std::string selector;
    std::string path;  // of the private key; empty: gone
};
std::string_view to_text(RotationKey::Role role);  // "active", "next", "old", "retired"

struct Rotation {
    enum class Phase { Idle, Announced, Overlap, Retiring } phase = Phase::Idle;
    std::string domain;
    std::uint64_t since = 0;       // Unix time the phase began; Idle: the last switch
    std::uint64_t seen_since = 0;  // Announced: since when every next key is in the DNS; 0: it is not
    std::uint64_t switched = 0;    // when the active keys began to sign; 0: not known
    std::vector<RotationKey> keys;
};
std::string_view to_text(Rotation::Phase phase);  // "idle", "announced", "overlap", "retiring"

struct RotationRules {
    /// How long the new records must have been seen before they are used: slow secondaries.
    std::chrono::seconds publish_wait{std::chrono::hours(1)};
    /// How long the old records must stay: mail in queues (RFC 5321 §4.5.4.1: 4-5 days), and readers that
    /// verify late.
    std::chrono::seconds overlap{std::chrono::hours(24 * 7)};
};

/// What the DNS says, under the selector.
using PublishedKeys = std::map<std::string, dkim::Published>;

struct RotationStep {
    Rotation after;
    std::vector<std::string> done;             // what happened, for people
    std::vector<std::string> files_to_remove;  // private keys that nobody needs, once `after` is kept
    std::string wanted;                        // what the administrator has to do, or what is waited for
};

/// Begins a rotation: `next` are new keys, already on disk. Only from Idle.
Rotation announce(Rotation rotation, std::vector<RotationKey> next, std::uint64_t now);
/// One look: the same state and the same DNS give the same step, however often it is taken.
RotationStep advance(const Rotation& rotation, const PublishedKeys& published, std::uint64_t now,
                     const RotationRules& rules);

/// The state's text form. Errors name the line.
std::string to_state_text(const Rotation& rotation);
std::expected<Rotation, std::string> parse_rotation(std::string_view text);

class RotationFolder {
 public:
    RotationFolder(env::FileSystem& files, std::string folder) : files_(files), folder_(std::move(folder)) {}
    /// Every state; an empty list when the folder is not there. Error: which file cannot be read.
    std::expected<std::vector<Rotation>, std::string> all() const;
    std::expected<Rotation, std::string> read(const std::string& domain) const;
    std::vector<std::string> state_files() const;
    std::string state_path(const std::string& domain) const { return folder_ + "/" + domain + ".rotation"; }
    std::string key_path(const std::string& domain, const std::string& selector) const {
        return folder_ + "/" + domain + "." + selector + ".pem";
    }
    /// Whole or not at all: written beside, synced, renamed.
    std::expected<void, std::string> keep(const Rotation& rotation) const;
    /// A private key, mode 0600; Exists is an error.
    std::expected<void, env::FileError> keep_key(const std::string& path, std::string_view pem) const;
    const std::string& path() const { return folder_; }

 private:
    env::FileSystem& files_;
    std::string folder_;
};

}  // namespace policy
