#include "dkim/published_key.hpp"

#include "dkim/signature.hpp"

#include <fmt/format.h>

namespace dkim {

std::string_view to_text(Published state) {
    constexpr std::string_view words[] = {"ok", "missing", "revoked", "differs", "unknown"};
    return words[static_cast<std::size_t>(state)];
}

std::string key_record_text(const PrivateKey& key) {
    return fmt::format("v=DKIM1; k={}; p={}", key.is_rsa() ? "rsa" : "ed25519", key.public_record_value());
}

std::string key_record_name(std::string_view selector, std::string_view domain) {
    return fmt::format("{}._domainkey.{}", selector, domain);
}

env::Task<Published> look_up_published(env::Resolver& resolver, std::string domain, std::string selector,
                                       PrivateKey key) {
    const auto name = dns::Name::parse(key_record_name(selector, domain));
    if (!name) co_return Published::Missing;
    const env::DnsAnswer answer = co_await resolver.query(*name, dns::Type::Txt);
    if (answer.temporary()) co_return Published::Unknown;
    // A verifier may take any of several records: all must be right.
    auto out = Published::Missing;
    for (const auto& record : answer.records) {
        const auto* txt = std::get_if<dns::Txt>(&record);
        if (!txt) continue;
        const auto found = parse_key_record(txt->joined(), key.algorithm());
        if (!found) {
            out = found.error().revoked ? Published::Revoked : Published::Differs;
            continue;
        }
        if (!found->key.belongs_to(key)) co_return Published::Differs;
        out = Published::Matches;
    }
    co_return out;
}

}  // namespace dkim
