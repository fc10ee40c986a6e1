// Which private keys sign for which author: those that rotation keeps (dkim_key_directory), OpenDKIM's
// SigningTable and KeyTable, and dkim_signing_keys. Immutable; shared by loops.
#pragma once

#include "dkim/crypto.hpp"
#include "env/file_system.hpp"
#include "policy/opendkim_tables.hpp"
#include "policy/sender_options.hpp"

#include <expected>
#include <map>
#include <string>
#include <vector>

namespace policy {

struct SigningKey {
    std::string domain, selector;
    std::string path;      // empty: the key stands in the table itself
    std::string identity;  // i=; empty: not written
    dkim::PrivateKey key;
};

/// The key our ARC sets are sealed with: arc_seal_key, else an RSA key of dkim_signing_keys for `domain` (ARC
/// knows no other algorithm that all verifiers have). Error: what is wrong, or that there is none.
std::expected<SigningKey, std::string> sealing_key(const SenderOptions& options, const std::string& domain,
                                                   env::FileSystem& files);

class SigningKeys {
 public:
    /// Error: which file or line is wrong.
    static std::expected<SigningKeys, std::string> make(const SenderOptions& options, env::FileSystem& files);
    bool empty() const { return by_domain_.empty() && table_.empty(); }
    /// The keys for a message of `author` ("ann@example.org"). A domain without keys of its own takes those
    /// of the nearest parent that has some.
    std::vector<SigningKey> keys_for(const std::string& author) const;
    /// Every key whose domain is known beforehand, each once.
    std::vector<SigningKey> all() const;
    /// The files make() reads: tables, keys, states of rotation.
    static std::vector<std::string> files(const SenderOptions& options, env::FileSystem& files);
    /// Changes when one of these does (time, size or inode).
    static std::string stamp(const SenderOptions& options, env::FileSystem& files);

 private:
    /// A line of the KeyTable; with % in its path one key for each domain that has a file.
    struct NamedKey {
        KeyTableValue value;
        std::map<std::string, SigningKey> keys;  // under the author's domain; "" for every author
    };
    using ByDomain = std::map<std::string, std::vector<SigningKey>>;
    static const std::vector<SigningKey>* nearest(const ByDomain& keys, std::string domain);
    std::expected<void, std::string> read_tables(const SenderOptions& options, env::FileSystem& files);
    std::vector<SigningKey> from_tables(const std::string& author, const std::string& domain) const;

    ByDomain managed_, by_domain_;  // by_domain_: both
    SigningTable table_;
    SigningTable::Take take_ = SigningTable::Take::First;
    std::map<std::string, NamedKey> named_;
};

}  // namespace policy
