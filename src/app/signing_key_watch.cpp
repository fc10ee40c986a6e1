#include "app/signing_key_watch.hpp"

#include "dkim/published_key.hpp"

#include <fmt/format.h>
#include <map>

namespace app {
namespace {

constexpr std::size_t keys_asked_max = 200;  // a site with thousands of domains is asked about some
constexpr std::size_t unanswered_max = 2;    // then the DNS is away, and the rest would only wait for it

/// The sets of options that sign: main.cf's, and those of services that override one.
std::vector<policy::SenderOptions> signing_options(const Site& site) {
    config::Diagnostics ignored;
    std::vector<policy::SenderOptions> out{config::bind<policy::SenderOptions>(*site.configuration, ignored)};
    for (const auto& service : site.services)
        for (const auto& [name, value] : service.overrides)
            if (name.starts_with("dkim_")) {
                out.push_back(config::bind<policy::SenderOptions>(site.configuration->with_overrides(service),
                                                                  ignored));
                break;
            }
    return out;
}

}  // namespace

std::string signing_key_stamp(const Site& site, env::FileSystem& files) {
    std::string out;
    for (const auto& options : signing_options(site)) out += policy::SigningKeys::stamp(options, files);
    return out;
}

env::Task<std::vector<std::string>> signing_key_warnings(env::Resolver& resolver,
                                                         std::shared_ptr<const Site> site,
                                                         env::FileSystem& files) {
    std::map<std::string, policy::SigningKey> keys;  // under the record's name
    for (const auto& options : signing_options(*site)) {
        const auto read = policy::SigningKeys::make(options, files);
        if (!read) continue;  // said where the configuration is judged
        for (const auto& key : read->all())
            if (keys.size() < keys_asked_max)
                keys.try_emplace(dkim::key_record_name(key.selector, key.domain), key);
    }
    std::vector<std::string> out;
    std::size_t unanswered = 0;
    for (const auto& [name, key] : keys) {
        if (unanswered >= unanswered_max) break;
        const auto state = co_await dkim::look_up_published(resolver, key.domain, key.selector, key.key);
        unanswered += state == dkim::Published::Unknown ? 1 : 0;
        const auto remedy =
            fmt::format("what it signs is not verified; postrider dns-records {} has the line", key.domain);
        if (state == dkim::Published::Differs)
            out.push_back(fmt::format("DKIM: the record {} does not match the private key {}: {}", name,
                                      key.path, remedy));
        else if (state == dkim::Published::Missing || state == dkim::Published::Revoked)
            out.push_back(fmt::format("DKIM: the record {} of the private key {} is {}: {}", name, key.path,
                                      dkim::to_text(state), remedy));
    }
    co_return out;
}

}  // namespace app
