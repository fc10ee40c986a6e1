#include "delivery/outgoing_content.hpp"

#include "base/result.hpp"
#include "base/text.hpp"

#include <fmt/format.h>

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

/// From the beginning, as choose() chose.
void OutgoingContent::begin(Lines lines) {
    stored_->rewind();
    if (conversion_) conversion_.emplace(*survey_, conversion_->server());
    converted_ = filtered_ = false;
    filter_ = rules_ ? rules_->make_filter() : nullptr;
    folder_.reset();
    if (rules_ && rules_->line_octets_max() > 0 && lines == Lines::Folded)
        folder_.emplace(rules_->line_octets_max());
}

env::Task<std::expected<std::uint64_t, std::string>> OutgoingContent::measure() {
    std::uint64_t size = 0;
    for (;;) {
        auto piece = co_await next();
        if (!piece) co_return std::unexpected(piece.error());
        if (piece->empty()) co_return size;
        size += piece->size();
    }
}

env::Task<std::expected<OutgoingContent::Fit, std::string>> OutgoingContent::fit(Server server,
                                                                                 Message message) {
    stored_->rewind();
    auto out = co_await choose(server, message);
    if (!out) co_return out;
    const bool binary = out->body == mail::BodyType::BinaryMime;
    const Lines lines = binary ? Lines::AsTheyAre : Lines::Folded;
    begin(lines);
    if (!binary || !filter_) co_return out;
    auto size = co_await measure();
    if (!size) co_return std::unexpected(size.error());
    out->size = *size;
    begin(lines);
    co_return out;
}

env::Task<std::expected<OutgoingContent::Fit, std::string>> OutgoingContent::choose(Server server,
                                                                                    Message message) {
    using mail::BodyType;
    conversion_.reset();
    Fit out;
    out.size = stored_->size();
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

env::Task<std::expected<std::string, std::string>> OutgoingContent::next_converted() {
    if (!conversion_) {
        auto piece = co_await stored_->next();
        co_return piece;
    }
    std::string out;
    while (out.empty() && !converted_) {
        auto piece = co_await stored_->next();
        if (!piece) co_return piece;
        converted_ = piece->empty();
        if (converted_)
            conversion_->finish();
        else
            conversion_->feed(*piece);
        out = conversion_->take();
    }
    co_return out;
}

env::Task<std::expected<std::string, std::string>> OutgoingContent::next_filtered() {
    if (!filter_ || filter_->passes()) {
        auto piece = co_await next_converted();
        co_return piece;
    }
    std::string out;
    while (out.empty() && !filtered_) {
        auto piece = co_await next_converted();
        if (!piece) co_return piece;
        filtered_ = piece->empty();
        if (filtered_)
            co_await filter_->end(out);
        else
            co_await filter_->feed(*piece, out);
        if (filter_->failure()) co_return std::unexpected(*filter_->failure());
    }
    co_return out;
}

env::Task<std::expected<std::string, std::string>> OutgoingContent::next() {
    std::string out;
    while (out.empty()) {
        auto piece = co_await next_filtered();
        if (!piece || !folder_) co_return piece;
        if (piece->empty()) co_return folder_->finish();
        out = folder_->fold(std::move(*piece));
    }
    co_return out;
}

std::vector<std::string> OutgoingContent::take_notes() {
    constexpr std::size_t shown_octets_max = 200;  // of a field or line
    std::vector<std::string> out;
    if (filter_)
        for (const auto& [word, what, text] : filter_->take_notes())
            out.push_back(fmt::format("{}: {}{}{}", word, base::printable(what, shown_octets_max),
                                      text.empty() ? "" : ": ", text));
    if (folder_ && folder_->folded())
        out.push_back(fmt::format("breaking line > {} bytes with <CR><LF>SPACE", rules_->line_octets_max()));
    return out;
}

}  // namespace delivery
