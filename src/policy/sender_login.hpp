// Whose address is it (smtpd_sender_login_maps): the owners of a sender address, looked up as Postfix does.
// Used by the reject_…_sender_login_mismatch restrictions and for the addresses in From: and Sender:. Belongs
// to one loop.
#pragma once

#include "mail/address.hpp"
#include "mail/status.hpp"
#include "policy/options.hpp"
#include "routing/directory.hpp"
#include "tables/factory.hpp"

#include <expected>
#include <memory>
#include <string>
#include <vector>

namespace policy {

class SenderLogins {
 public:
    static std::expected<std::shared_ptr<const SenderLogins>, std::string> make(
        const PolicyOptions& options, tables::Factory& factory, routing::Directory& directory);
    /// Without tables, and where nobody owns the address they log in with, nothing is anybody's: the
    /// restrictions do nothing then.
    bool active() const { return !tables_.empty() || own_address_; }

    enum class Owner { Nobody, User, SomebodyElse };
    /// `user`: the login name, "" when nobody logged in. Error: a table failed.
    env::Task<std::expected<Owner, std::string>> owner(mail::Address address, std::string user) const;

    /// What is wrong with the addresses that a message of `user` shows as its authors (its From: and Sender:
    /// fields; "" stands for one that cannot be read). nullopt: they are all the user's.
    env::Task<std::optional<mail::ReplyText>> judge_authors(std::vector<std::string> addresses,
                                                            std::string user) const;

 private:
    SenderLogins(std::string delimiter, bool own_address, routing::Directory& directory)
        : delimiter_(std::move(delimiter)), own_address_(own_address), directory_(directory) {}
    env::Task<std::expected<bool, std::string>> is_own_address(mail::Address address, std::string user) const;
    tables::TableList tables_;
    std::string delimiter_;
    bool own_address_;
    routing::Directory& directory_;
};

}  // namespace policy
