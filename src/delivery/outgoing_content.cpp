#include "delivery/outgoing_content.hpp"

#include "base/result.hpp"

namespace delivery {

env::Task<std::expected<void, std::string>> OutgoingContent::survey() {
    if (survey_) co_return std::expected<void, std::string>{};
    auto looked = std::make_unique<mail::ContentSurvey>();
    for (;;) {
        auto piece = co_await stored_->next();
        if (!piece) co_return std::unexpected(piece.error());
        if (piece->empty()) break;
        looked->feed(*piece);
    }
    looked->finish();
    stored_->rewind();
    survey_ = std::move(looked);
    co_return std::expected<void, std::string>{};
}

env::Task<std::expected<OutgoingContent::Fit, std::string>> OutgoingContent::fit(Server server,
                                                                                 Message message) {
    using mail::BodyType;
    stored_->rewind();
    conversion_.reset();
    ended_ = false;
    Fit out;
    out.body = message.body;
    const bool too_binary = message.body == BodyType::BinaryMime && !server.binary;
    if (server.eight_bit && !too_binary && (server.smtputf8 || !message.smtputf8)) co_return out;
    CO_TRY(co_await survey());
    const auto& facts = survey_->facts();
    out.utf8_header = facts.header_eight_bit;
    const bool eight_bit = facts.body_eight_bit;
    const bool too_wide = eight_bit && !server.eight_bit;
    if (!too_binary && !too_wide) {
        if (!server.eight_bit && out.body == BodyType::EightBitMime) out.body = BodyType::SevenBit;
        co_return out;
    }
    if (!message.may_convert) {
        // As Postfix: the administrator says that it will pass.
        if (!too_binary) out.body = BodyType::SevenBit;
        co_return out;
    }
    if (facts.too_many_parts) {
        out.body = too_binary ? BodyType::BinaryMime : BodyType::EightBitMime;
        co_return out;
    }
    using For = mail::ContentConversion::For;
    conversion_.emplace(*survey_, server.eight_bit ? For::EightBit : For::SevenBit);
    out.body = server.eight_bit && eight_bit ? BodyType::EightBitMime : BodyType::SevenBit;
    co_return out;
}

env::Task<std::expected<std::string, std::string>> OutgoingContent::next() {
    if (!conversion_) {
        auto piece = co_await stored_->next();
        co_return piece;
    }
    std::string out;
    while (out.empty() && !ended_) {
        auto piece = co_await stored_->next();
        if (!piece) co_return piece;
        ended_ = piece->empty();
        if (ended_)
            conversion_->finish();
        else
            conversion_->feed(*piece);
        out = conversion_->take();
    }
    co_return out;
}

}  // namespace delivery
