#include "reports/mime_parts.hpp"

namespace reports {
namespace {

void collect(const mail::MimeEntity& entity, std::string_view message, const MimeLimits& limits,
             std::size_t& octets, std::vector<MimePart>& out) {
    if (entity.type.starts_with("multipart/") && !entity.parts.empty()) {
        for (const auto& part : entity.parts) collect(part, message, limits, octets, out);
        return;
    }
    if (out.size() >= limits.parts_max) return;
    MimePart part{entity.type, entity.filename, entity.decoded(message, limits.octets_max - octets)};
    octets += part.content.size();
    out.push_back(std::move(part));
}

}  // namespace

std::vector<MimePart> mime_parts(std::string_view message, MimeLimits limits) {
    // Multiparts count as parts too: each holds at least one, and none is deeper than depth_max.
    const auto entity = mail::parse_mime(message, {limits.parts_max * 2, limits.depth_max});
    std::vector<MimePart> out;
    std::size_t octets = 0;
    collect(entity, message, limits, octets, out);
    return out;
}

}  // namespace reports
