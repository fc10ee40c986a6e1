#include "routing/sender_rewriting.hpp"

#include "base/result.hpp"
#include "base/text.hpp"
#include "dns/name.hpp"
#include "routing/routing.hpp"

#include <fmt/format.h>

namespace routing {
namespace {

constexpr std::uint64_t secret_file_octets_max = 65536;

/// One secret a line, the newest first, as postsrsd has them.
std::expected<void, std::string> read_secrets(const std::string& path, env::FileSystem& files,
                                              std::vector<std::string>& to) {
    const auto text = files.read(path, secret_file_octets_max);
    if (!text)
        return std::unexpected(fmt::format("srs_secret_files: {}: {}", path, env::to_text(text.error())));
    const auto before = to.size();
    for (const auto line : base::split(*text, '\n'))
        if (const auto secret = base::trim(line); !secret.empty()) to.emplace_back(secret);
    if (to.size() == before)
        return std::unexpected(fmt::format("srs_secret_files: {} holds no secret", path));
    return {};
}

}  // namespace

std::expected<std::shared_ptr<const srs::Rewriter>, std::string> make_rewriter(const RoutingOptions& options,
                                                                               env::FileSystem& files) {
    if (options.srs_domain.empty()) return nullptr;
    const auto name = dns::Name::parse(options.srs_domain);
    if (!name || name->is_root() || options.srs_domain.find('=') != std::string::npos)
        return std::unexpected(fmt::format("srs_domain: '{}' is no domain", options.srs_domain));
    if (options.srs_separator.size() != 1 ||
        std::string_view("=+-").find(options.srs_separator) == std::string_view::npos)
        return std::unexpected(fmt::format("srs_separator: '{}' is not =, + or -", options.srs_separator));
    if (options.srs_hash_minimum > options.srs_hash_length)
        return std::unexpected("srs_hash_minimum: more than srs_hash_length: we would refuse what we write");
    srs::Rules rules;
    rules.domain = options.srs_domain;
    rules.separator = options.srs_separator.front();
    rules.hash_octets = options.srs_hash_length;
    rules.hash_octets_min = options.srs_hash_minimum;
    rules.age_days_max =
        static_cast<unsigned>(std::chrono::duration_cast<std::chrono::days>(options.srs_maximum_age).count());
    for (const auto& path : options.srs_secret_files) TRY(read_secrets(path, files, rules.secrets));
    if (rules.secrets.empty())
        return std::unexpected(
            "srs_domain: srs_secret_files must name a file with a secret; "
            "'openssl rand -base64 18' makes one");
    return std::make_shared<const srs::Rewriter>(std::move(rules));
}

bool Routing::is_rewritten_sender(const mail::Address& address) const {
    return rewriter_ && rewriter_->is_ours(address);
}

std::expected<mail::Address, srs::Error> Routing::original_sender(const mail::Address& address) const {
    return rewriter_->reverse(address, env::unix_time(clock_->wall()));
}

Listing Routing::rewritten_sender_listing(const mail::Address& address) const {
    Listing out;
    const auto original = original_sender(address);
    if (original) return out;
    out.listed = false;
    out.refusal.code = 550;
    out.refusal.status = {5, 1, 1};
    out.refusal.text = fmt::format("<{}>: Recipient address rejected: User unknown: {}", address.text(),
                                   srs::to_text(original.error()));
    return out;
}

env::Task<std::expected<Routing::ForwardingSender, LookupFailure>> Routing::forwarding_sender(
    mail::ReversePath sender) {
    ForwardingSender out{std::move(sender)};
    if (!rewriter_ || out.path.is_null()) co_return out;
    auto meaning = co_await classify(out.path.address().domain);
    if (!meaning) co_return std::unexpected(meaning.error());
    if (*meaning != AddressClass::Default) co_return out;
    auto excluded = co_await srs_exclude_domains_.contains(out.path.address().domain);
    if (!excluded) co_return std::unexpected(LookupFailure{excluded.error().text});
    if (*excluded) co_return out;
    auto rewritten = rewriter_->forward(out.path.address(), env::unix_time(clock_->wall()));
    if (rewritten)
        out.path = mail::ReversePath(std::move(*rewritten));
    else  // better the true sender than one that others refuse
        out.too_long = rewritten.error() == srs::Error::TooLong;
    co_return out;
}

}  // namespace routing
