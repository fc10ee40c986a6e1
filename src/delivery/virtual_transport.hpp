// virtual(8): mailboxes that belong to no Unix user, in virtual_mailbox_base (transport "virtual").
#pragma once

#include "base/event.hpp"
#include "base/parameter.hpp"
#include "delivery/agent.hpp"
#include "queue/transport.hpp"
#include "routing/address_lookup.hpp"
#include "tables/factory.hpp"

namespace delivery {

struct VirtualOptions {
    std::string base, mailbox_maps, uid_maps, gid_maps, recipient_delimiter, junk_folder;
    std::uint32_t minimum_uid = 100;
    std::uint64_t mailbox_limit = 51200000;
    std::vector<std::string> locks;
    static constexpr void describe(auto& parameter) {
        using O = VirtualOptions;
        using base_default = base::Default;
        parameter("virtual_mailbox_base", &O::base, base_default{""},
                  "The folder that all virtual mailboxes are in.");
        parameter("virtual_mailbox_maps", &O::mailbox_maps, base_default{""},
                  "Tables from address to mailbox path below virtual_mailbox_base; a path that ends in / is "
                  "a Maildir.");
        parameter("virtual_uid_maps", &O::uid_maps, base_default{""},
                  "Tables from address to the user id that owns the mailbox.");
        parameter("virtual_gid_maps", &O::gid_maps, base_default{""},
                  "Tables from address to the group id of the mailbox.");
        parameter("recipient_delimiter", &O::recipient_delimiter, base_default{""},
                  "What separates user and extension (user+ext).");
        parameter("virtual_minimum_uid", &O::minimum_uid, base::Between{0, 4294967294},
                  "The lowest user id that virtual_uid_maps may give.");
        parameter("virtual_mailbox_limit", &O::mailbox_limit, base::Between{0, 9223372036854775807},
                  "The largest mbox file in octets; 0: no limit.");
        parameter("virtual_mailbox_lock", &O::locks, base_default{"fcntl"},
                  "How an mbox file is locked: fcntl, flock, dotlock.");
        parameter("dmarc_junk_folder", &O::junk_folder, base_default{"Junk"},
                  "The folder of a Maildir that quarantined mail goes to (dmarc_quarantine_action = junk).");
    }
};

class VirtualTransport : public queue::Transport {
 public:
    static std::expected<std::unique_ptr<VirtualTransport>, std::string> make(VirtualOptions options,
                                                                              tables::Factory& factory,
                                                                              Agent& agent);
    env::Task<queue::DeliveryReport> deliver(queue::DeliveryRequest request) override;

 private:
    VirtualTransport(VirtualOptions options, Agent& agent) : options_(std::move(options)), agent_(agent) {}
    env::Task<queue::RecipientResult> deliver_one(const queue::DeliveryRequest& request,
                                                  const mail::Recipient& recipient);
    env::Task<std::expected<std::optional<std::string>, std::string>> find(const tables::TableList& tables,
                                                                           const mail::Address& address);
    VirtualOptions options_;
    Agent& agent_;
    tables::TableList mailboxes_, uids_, gids_;
};

/// Return-Path:, X-Original-To: and Delivered-To: as they stand on top of a delivered message.
std::string delivery_headers(const mail::Envelope& envelope, const mail::Recipient& recipient);
/// Error: the name would lead out of the mailbox.
std::expected<void, std::string> check_junk_folder(std::string_view folder);
/// A mailbox's own Maildir ("/home/ann/Maildir/"), or for quarantined mail its Junk folder in Maildir++ form
/// ("/home/ann/Maildir/.Junk/"). Without a / at the end it is an mbox file, which has no folders.
std::string mailbox_folder(std::string path, const mail::Envelope& envelope, std::string_view junk_folder);

}  // namespace delivery
