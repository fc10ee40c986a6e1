// Which addresses are ours: Postfix's address classes (ADDRESS_CLASS_README) and whether a recipient exists.
// Used by policy/ (relay control, unlisted recipients) and by the router. Belongs to one loop.
#pragma once

#include "env/task.hpp"
#include "mail/address.hpp"
#include "mail/status.hpp"

#include <expected>
#include <string>

namespace routing {

enum class AddressClass { Local, VirtualAlias, VirtualMailbox, Relay, Default };

/// A table failed: answer 451 4.3.0.
struct LookupFailure {
    std::string text;
};

/// Why a recipient is refused at RCPT (reject_unlisted_recipient), or that it is not.
struct Listing {
    bool listed = true;
    mail::ReplyText refusal;  // when not listed: "550 5.1.1 <x@y>: Recipient address rejected: User unknown
                              // in local recipient table"
};

class Directory {
 public:
    virtual ~Directory() = default;
    /// `domain` may be empty (local) or a literal.
    virtual env::Task<std::expected<AddressClass, LookupFailure>> classify(std::string domain) = 0;
    /// The address resolved as Postfix does it for relay control: source routes gone, %-hack and bang path
    /// rewritten when configured, trailing dot removed, "user@[our own address]" is local. False when it must
    /// be refused as relaying: reject_unauth_destination (also for sender-specified routing:
    /// user@elsewhere@ours, user%elsewhere@ours, …).
    virtual env::Task<std::expected<bool, LookupFailure>> is_authorized_destination(
        mail::Address recipient) = 0;
    virtual env::Task<std::expected<Listing, LookupFailure>> recipient_listing(mail::Address recipient) = 0;
    virtual env::Task<std::expected<Listing, LookupFailure>> sender_listing(mail::Address sender) = 0;
};

}  // namespace routing
