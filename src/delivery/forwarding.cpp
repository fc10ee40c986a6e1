#include "delivery/forwarding.hpp"

#include "arc/sealer.hpp"
#include "base/text.hpp"
#include "mail/authentication_results.hpp"

#include <fmt/format.h>
#include <optional>

namespace delivery {
namespace {

/// The content with our fields before it.
class PrefixedContent : public queue::ContentReader {
 public:
    PrefixedContent(std::string prefix, std::unique_ptr<queue::ContentReader> inner)
        : prefix_(std::move(prefix)), inner_(std::move(inner)) {}
    env::Task<std::expected<std::string, std::string>> next() override {
        if (!begun_ && !prefix_.empty()) {
            begun_ = true;
            co_return prefix_;
        }
        auto piece = co_await inner_->next();
        co_return piece;
    }
    std::uint64_t size() const override { return prefix_.size() + inner_->size(); }
    void rewind() override {
        begun_ = false;
        inner_->rewind();
    }

 private:
    std::string prefix_;
    std::unique_ptr<queue::ContentReader> inner_;
    bool begun_ = false;
};

/// What stands behind our id in the first Authentication-Results that bears it; nullopt: there is none.
std::optional<std::string> our_results(std::string_view header_block, std::string_view authserv_id) {
    for (const auto& field : dkim::split_fields(header_block)) {
        if (!base::iequals(field.name, "Authentication-Results")) continue;
        const auto value = field.raw.substr(field.raw.find(':') + 1);
        const auto id = mail::authserv_id_of(value);
        if (id && base::iequals(*id, authserv_id)) return mail::results_of(value);
    }
    return std::nullopt;
}

/// What we found of the chain when the message came in (RFC 8617 §5.1 step 4 C).
arc::ChainStatus chain_status(std::string_view results) {
    const auto words = mail::results_for(results, "arc");
    if (words.empty() || words.front() == "none") return arc::ChainStatus::None;
    if (words.front() == "pass") return arc::ChainStatus::Pass;
    return words.front() == "temperror" ? arc::ChainStatus::TempError : arc::ChainStatus::Fail;
}

/// RSA takes a millisecond: a worker's business. Owns all it touches.
struct SealTrip {
    std::shared_ptr<const ArcSealing> sealing;
    arc::Sealer sealer;
    std::string results;
    std::string operator()() { return sealer.seal(sealing->key, chain_status(results), results); }
};

queue::DeliveryReport later(const queue::DeliveryRequest& request, const std::string& why) {
    queue::RecipientResult result;
    result.status = {4, 3, 0};
    result.text = why;
    queue::DeliveryReport out;
    out.recipients.assign(request.recipients.size(), result);
    return out;
}

}  // namespace

/// Some recipient is neither ours nor one we relay for. Those of relay_domains trust what we say of the
/// client.
env::Task<std::expected<bool, routing::LookupFailure>> ForwardingTransport::leaves(
    const queue::DeliveryRequest& request) {
    for (const auto& recipient : request.recipients) {
        auto meaning = co_await services_.routing.classify(recipient.address.domain);
        if (!meaning) co_return std::unexpected(meaning.error());
        if (*meaning == routing::AddressClass::Default) co_return true;
    }
    co_return false;
}

/// The three fields of our ARC set; "" where none may be added or nothing was verified.
env::Task<std::expected<std::string, std::string>> ForwardingTransport::seal(queue::ContentReader& content) {
    std::string header;
    std::optional<SealTrip> trip;
    content.rewind();
    for (;;) {
        auto piece = co_await content.next();
        if (!piece) co_return std::unexpected(piece.error());
        if (piece->empty()) break;
        if (trip) {
            trip->sealer.body(*piece);
            continue;
        }
        const auto searched = header.size() < 3 ? 0 : header.size() - 3;
        header += *piece;
        const auto end = header.find("\r\n\r\n", searched);
        if (end == std::string::npos ? header.size() > sealing_->header_octets_max
                                     : end > sealing_->header_octets_max)
            co_return std::string();
        if (end == std::string::npos) continue;
        const std::string body = header.substr(end + 4);
        header.resize(end + 2);
        auto results = our_results(header, sealing_->authserv_id);
        if (!results) co_return std::string();
        arc::SealOptions options;
        options.domain = sealing_->domain;
        options.selector = sealing_->selector;
        options.authserv_id = sealing_->authserv_id;
        options.timestamp = env::unix_time(services_.loop.clock().wall());
        trip.emplace(
            SealTrip{sealing_, arc::Sealer(std::move(options), std::move(header)), std::move(*results)});
        trip->sealer.body(body);
    }
    if (!trip) co_return std::string();  // nothing but header
    SealTrip work = std::move(*trip);
    std::string fields = co_await services_.workers.run(std::move(work));
    co_return fields;
}

env::Task<queue::DeliveryReport> ForwardingTransport::deliver(queue::DeliveryRequest request) {
    bool forwarded = false;
    if (request.envelope->from_outside) {
        auto leaving = co_await leaves(request);
        if (!leaving) co_return later(request, "address lookup failure: " + leaving.error().text);
        forwarded = *leaving;
    }
    if (forwarded) {
        auto sender = co_await services_.routing.forwarding_sender(request.envelope->sender);
        if (!sender) co_return later(request, "address lookup failure: " + sender.error().text);
        if (sender->too_long)
            services_.events.note(base::Severity::Info, name_,
                                  fmt::format("{}: from=<{}> is forwarded as it is: the rewritten address "
                                              "would be too long (RFC 5321 4.5.3.1.1)",
                                              request.id.text(), request.envelope->sender.text()));
        if (sender->path != request.envelope->sender) {
            services_.events.note(base::Severity::Info, name_,
                                  fmt::format("{}: from=<{}> is forwarded as from=<{}>", request.id.text(),
                                              request.envelope->sender.text(), sender->path.text()));
            auto envelope = std::make_shared<mail::Envelope>(*request.envelope);
            envelope->sender = std::move(sender->path);
            request.envelope = std::move(envelope);
        }
        if (sealing_ && request.envelope->verified) {
            auto fields = co_await seal(*request.content);
            if (!fields) co_return later(request, fields.error());
            request.content->rewind();
            request.content =
                std::make_unique<PrefixedContent>(std::move(*fields), std::move(request.content));
        }
    }
    queue::DeliveryReport report = co_await onward_->deliver(std::move(request));
    co_return report;
}

}  // namespace delivery
