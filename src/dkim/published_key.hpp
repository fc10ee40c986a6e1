// Whether the DNS holds the public half of a private key of ours (RFC 6376 §3.6). Used before a new key
// signs, and to warn when the two do not match. A coroutine over env::Resolver.
#pragma once

#include "dkim/crypto.hpp"
#include "env/resolver.hpp"

#include <string>
#include <string_view>

namespace dkim {

enum class Published {
    Matches,
    Missing,  // no record, or none that is a key
    Revoked,  // p= is empty
    Differs,  // another key, or of another type, or not for this use
    Unknown,  // the DNS did not answer
};
/// "ok", "missing", "revoked", "differs", "unknown".
std::string_view to_text(Published state);

/// "v=DKIM1; k=rsa; p=…", to be published at selector._domainkey.domain.
std::string key_record_text(const PrivateKey& key);
/// "selector._domainkey.domain".
std::string key_record_name(std::string_view selector, std::string_view domain);

env::Task<Published> look_up_published(env::Resolver& resolver, std::string domain, std::string selector,
                                       PrivateKey key);

}  // namespace dkim
