#include "delivery/outgoing_rules.hpp"

#include "base/result.hpp"
#include "mail/line_folder.hpp"

#include <fmt/format.h>

namespace delivery {

std::expected<std::shared_ptr<const OutgoingRules>, std::string> OutgoingRules::make(
    const OutgoingOptions& options, tables::Factory& factory, routing::Routing& routing) {
    std::shared_ptr<OutgoingRules> out(new OutgoingRules(routing));
    const content::HeaderChecks::Specs specs{"smtp_", options.header_checks, options.mime_header_checks,
                                             options.nested_header_checks, options.body_checks};
    TRY_ASSIGN(out->content_->checks, content::HeaderChecks::make(specs, factory));
    out->content_->limits = options.limits();
    auto maps = factory.open_list(options.generic_maps);
    if (!maps) return std::unexpected("smtp_generic_maps: " + maps.error().text);
    out->generic_maps_ = std::move(*maps);
    if (options.line_octets_max > 0 && options.line_octets_max < mail::LineFolder::limit_min)
        return std::unexpected(fmt::format("smtp_line_length_limit: {} is too small; {} is the least, or 0",
                                           options.line_octets_max, mail::LineFolder::limit_min));
    out->line_octets_max_ = options.line_octets_max;
    return out;
}

std::unique_ptr<content::ContentFilter> OutgoingRules::make_filter() const {
    const auto& checks = content_->checks;
    if (!checks.any_for_fields() && !checks.any_for_body() && !maps_addresses()) return nullptr;
    content::ContentFilter::Rewrite rewrite;
    if (maps_addresses())
        rewrite = [this](mail::Address address, routing::AddressRole) { return outside(std::move(address)); };
    return std::make_unique<content::ContentFilter>(content_, std::move(rewrite));
}

env::Task<std::expected<mail::Address, std::string>> OutgoingRules::outside(mail::Address address) const {
    auto found = co_await routing_.generic(std::move(address), generic_maps_);
    if (!found) co_return std::unexpected("smtp_generic_maps: " + found.error());
    co_return std::move(*found);
}

}  // namespace delivery
