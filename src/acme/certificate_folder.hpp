// What is kept on disk: the account's key, for each certificate one file with key and chain together (so that
// a renewal changes both in one rename), and beside it how the last attempts went. Files are 0600, written
// anew and renamed. Blocking; for workers and start-up.
#pragma once

#include "acme/options.hpp"
#include "env/clock.hpp"
#include "env/file_system.hpp"

#include <optional>

namespace acme {

/// How it went; kept so that a restart does not forget to wait.
struct Attempts {
    std::uint32_t failures = 0;        // in a row
    std::uint64_t last = 0, next = 0;  // Unix time; next 0: when it is due
    std::string error;                 // of the last one; empty: it went well
};
/// JSON, one line. What cannot be read is as if nothing had been tried.
std::string print_attempts(const Attempts& attempts);
Attempts parse_attempts(std::string_view text);

class CertificateFolder {
 public:
    CertificateFolder(env::FileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}
    /// Makes the folder, 0700, where it is missing.
    std::expected<void, std::string> prepare();
    /// The account's key for this authority; a new one the first time.
    std::expected<Key, std::string> account_key(const std::string& directory_url);
    std::string certificate_path(const Wanted& wanted) const { return path_ + "/" + wanted.id() + ".pem"; }
    /// Key and chain; nullopt: there is none yet. Error: it is there and cannot be read.
    std::expected<std::optional<std::string>, std::string> read(const Wanted& wanted);
    std::expected<void, std::string> keep(const Wanted& wanted, const Key& key, const std::string& chain_pem);
    Attempts attempts(const Wanted& wanted);
    std::expected<void, std::string> keep_attempts(const Wanted& wanted, const Attempts& attempts);

 private:
    std::expected<void, std::string> write(const std::string& path, std::string_view text);
    env::FileSystem& files_;
    std::string path_;
};

}  // namespace acme
