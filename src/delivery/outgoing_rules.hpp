// How a transport changes what it sends: addresses of this site become the world's (generic(5)), fields and
// lines are checked and replaced (smtp_header_checks), long lines are broken. Immutable but for the tables'
// contents; belongs to one transport.
#pragma once

#include "content/content_filter.hpp"
#include "delivery/outgoing_options.hpp"
#include "mail/envelope.hpp"
#include "routing/routing.hpp"

#include <memory>

namespace delivery {

class OutgoingRules {
 public:
    /// Error: what the administrator must mend.
    static std::expected<std::shared_ptr<const OutgoingRules>, std::string> make(
        const OutgoingOptions& options, tables::Factory& factory, routing::Routing& routing);

    /// nullptr: content stays as it is.
    std::unique_ptr<content::ContentFilter> make_filter() const;
    /// 0: lines may have any length.
    std::size_t line_octets_max() const { return line_octets_max_; }
    bool maps_addresses() const { return !generic_maps_.empty(); }
    /// The address as other machines are to see it. Error: a table could not be asked.
    env::Task<std::expected<mail::Address, std::string>> outside(mail::Address address) const;

 private:
    explicit OutgoingRules(routing::Routing& routing) : routing_(routing) {}
    routing::Routing& routing_;
    tables::TableList generic_maps_;
    std::shared_ptr<content::ContentRules> content_ = std::make_shared<content::ContentRules>();
    std::size_t line_octets_max_ = 0;
};

}  // namespace delivery
