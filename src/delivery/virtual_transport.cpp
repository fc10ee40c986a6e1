#include "delivery/virtual_transport.hpp"

#include "base/result.hpp"
#include "base/text.hpp"

#include <fmt/format.h>

namespace delivery {
namespace {

queue::RecipientResult result_of(AgentResult done) { return recipient_result(std::move(done), "virtual"); }

}  // namespace

std::string delivery_headers(const mail::Envelope& envelope, const mail::Recipient& recipient) {
    return fmt::format("Return-Path: <{}>\r\nX-Original-To: {}\r\nDelivered-To: {}\r\n",
                       envelope.sender.text(), recipient.original.text(), recipient.address.text());
}

std::string mailbox_folder(std::string path, const mail::Envelope& envelope, std::string_view junk_folder) {
    if (!envelope.junk || !path.ends_with('/') || junk_folder.empty()) return path;
    return path + "." + std::string(junk_folder) + "/";
}

std::expected<void, std::string> check_junk_folder(std::string_view folder) {
    const bool plain = folder.find('/') == std::string_view::npos &&
                       folder.find("..") == std::string_view::npos && !folder.starts_with('.') &&
                       !folder.ends_with('.') && base::printable(folder, 200) == folder;
    if (plain) return {};
    return std::unexpected(
        fmt::format("dmarc_junk_folder: '{}' is no folder's name", base::printable(folder, 100)));
}

std::expected<std::unique_ptr<VirtualTransport>, std::string> VirtualTransport::make(VirtualOptions options,
                                                                                     tables::Factory& factory,
                                                                                     Agent& agent) {
    std::unique_ptr<VirtualTransport> out(new VirtualTransport(std::move(options), agent));
    TRY(check_junk_folder(out->options_.junk_folder));
    const auto open = [&](std::string_view name, const std::string& text,
                          tables::TableList& to) -> std::expected<void, std::string> {
        auto list = factory.open_list(text);
        if (!list) return std::unexpected(fmt::format("{}: {}", name, list.error().text));
        to = std::move(*list);
        return {};
    };
    TRY(open("virtual_mailbox_maps", out->options_.mailbox_maps, out->mailboxes_));
    TRY(open("virtual_uid_maps", out->options_.uid_maps, out->uids_));
    TRY(open("virtual_gid_maps", out->options_.gid_maps, out->gids_));
    return out;
}

env::Task<std::expected<std::optional<std::string>, std::string>> VirtualTransport::find(
    const tables::TableList& tables, const mail::Address& address) {
    const routing::LookupForms forms{options_.recipient_delimiter, routing::LookupForms::Local::No,
                                     routing::LookupForms::CatchAll::Yes};
    auto found = co_await routing::look_up_address(tables, address, forms);
    if (!found) co_return std::unexpected(found.error().text);
    if (!*found) co_return std::optional<std::string>{};
    co_return std::optional(std::move((*found)->value));
}

env::Task<queue::DeliveryReport> VirtualTransport::deliver(queue::DeliveryRequest request) {
    queue::DeliveryReport report;
    for (const auto& recipient : request.recipients) {
        request.content->rewind();
        report.recipients.push_back(co_await deliver_one(request, recipient));
    }
    co_return report;
}

env::Task<queue::RecipientResult> VirtualTransport::deliver_one(const queue::DeliveryRequest& request,
                                                                const mail::Recipient& recipient) {
    auto path = co_await find(mailboxes_, recipient.address);
    if (!path) co_return result_of({{4, 3, 0}, "mailbox lookup failed: " + path.error()});
    if (!*path)
        co_return result_of(
            {{5, 1, 1}, "unknown user: \"" + base::printable(recipient.address.text(), 300) + "\""});
    // A path from a table may be made of the address: it must not climb out of the base.
    if (path->value().find("..") != std::string::npos)
        co_return result_of({{5, 3, 5}, "the mailbox path holds \"..\""});
    AgentJob job;
    auto uid = co_await find(uids_, recipient.address);
    auto gid = co_await find(gids_, recipient.address);
    if (!uid || !gid)
        co_return result_of({{4, 3, 0}, "user id lookup failed: " + (uid ? gid.error() : uid.error())});
    if (*uid) {
        const auto user = base::parse_number(**uid, UINT32_MAX - 1);
        const auto group = *gid ? base::parse_number(**gid, UINT32_MAX - 1) : user;
        if (!user || !group)
            co_return result_of({{4, 3, 5}, "virtual_uid_maps and virtual_gid_maps must give numbers"});
        if (*user < options_.minimum_uid)
            co_return result_of(
                {{4, 3, 5},
                 fmt::format("user id {} is below virtual_minimum_uid = {}", *user, options_.minimum_uid)});
        job.as = Credentials{static_cast<std::uint32_t>(*user), static_cast<std::uint32_t>(*group), ""};
    }
    const std::string full =
        mailbox_folder(options_.base + "/" + **path, *request.envelope, options_.junk_folder);
    const std::string prefix = delivery_headers(*request.envelope, recipient);
    if (full.ends_with('/')) {
        job.what = MaildirJob{full, prefix, true};
    } else {
        const std::string sender =
            request.envelope->sender.is_null() ? "MAILER-DAEMON" : request.envelope->sender.text();
        job.what =
            MboxJob{full, base::printable(sender, 300), prefix, options_.locks, options_.mailbox_limit};
    }
    AgentResult done = co_await agent_.run(std::move(job), *request.content);
    co_return result_of(std::move(done));
}

}  // namespace delivery
