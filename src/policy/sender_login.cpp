#include "policy/sender_login.hpp"

#include "base/result.hpp"
#include "base/text.hpp"
#include "mail/path.hpp"
#include "routing/address_lookup.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace policy {

std::expected<std::shared_ptr<const SenderLogins>, std::string> SenderLogins::make(
    const PolicyOptions& options, tables::Factory& factory, routing::Directory& directory) {
    std::shared_ptr<SenderLogins> out(
        new SenderLogins(options.recipient_delimiter, options.sender_login_own_address, directory));
    auto tables = factory.open_list(options.sender_login_maps);
    if (!tables) return std::unexpected("smtpd_sender_login_maps: " + tables.error().text);
    out->tables_ = std::move(*tables);
    return out;
}

/// A login name is an address, or the local part of one in our own (local) domains.
env::Task<std::expected<bool, std::string>> SenderLogins::is_own_address(mail::Address address,
                                                                         std::string user) const {
    const auto bare = routing::split_extension(address.local_part, delimiter_).first;
    if (user.find('@') != std::string::npos)
        co_return base::iequals(user, address.local_part + "@" + address.domain) ||
            base::iequals(user, bare + "@" + address.domain);
    if (!base::iequals(user, address.local_part) && !base::iequals(user, bare)) co_return false;
    auto found = co_await directory_.classify(address.domain);
    if (!found) co_return std::unexpected(found.error().text);
    co_return *found == routing::AddressClass::Local;
}

env::Task<std::expected<SenderLogins::Owner, std::string>> SenderLogins::owner(mail::Address address,
                                                                               std::string user) const {
    if (own_address_ && !user.empty()) {
        auto own = co_await is_own_address(address, user);
        if (!own) co_return std::unexpected(own.error());
        if (*own) co_return Owner::User;
    }
    if (tables_.empty()) co_return Owner::Nobody;
    auto kind = co_await directory_.classify(address.domain);
    if (!kind) co_return std::unexpected(kind.error().text);
    using Forms = routing::LookupForms;
    const Forms forms{delimiter_,
                      *kind == routing::AddressClass::Local ? Forms::Local::Yes : Forms::Local::No,
                      Forms::CatchAll::Yes};
    auto found = co_await routing::look_up_address(tables_, std::move(address), forms);
    if (!found) co_return std::unexpected(found.error().text);
    if (!*found) co_return Owner::Nobody;
    const auto owners = base::split_any((*found)->value, ", \t\r\n");
    const bool theirs =
        !user.empty() && std::ranges::any_of(owners, [&](auto one) { return base::iequals(one, user); });
    co_return theirs ? Owner::User : Owner::SomebodyElse;
}

env::Task<std::optional<mail::ReplyText>> SenderLogins::judge_authors(std::vector<std::string> addresses,
                                                                      std::string user) const {
    for (const auto& text : addresses) {
        const auto address =
            mail::parse_mailbox(text, {mail::PathOptions::Utf8::Allow, mail::PathOptions::Form::Tolerant});
        Owner found = Owner::SomebodyElse;
        if (address) {
            auto asked = co_await owner(*address, user);
            if (!asked)
                co_return mail::ReplyText{
                    451,
                    {4, 3, 0},
                    fmt::format("<{}>: Temporary lookup failure", base::printable(text, 255))};
            found = *asked;
        }
        if (found != Owner::User)
            co_return mail::ReplyText{550,
                                      {5, 7, 1},
                                      fmt::format("<{}>: Author address rejected: not owned by user {}",
                                                  base::printable(text, 255), base::printable(user, 255))};
    }
    co_return std::nullopt;
}

}  // namespace policy
