#include "mail/content_conversion.hpp"

#include "base/text.hpp"

#include <algorithm>

namespace mail {
namespace {

constexpr std::size_t text_line_octets_max = 998;
constexpr std::size_t encoded_line_max = 76;  // RFC 2045 §6.7 (5)

bool is_eight_bit(std::string_view line) { return !base::is_ascii(line); }

bool has_binary(std::string_view line) {
    if (line.ends_with("\r\n")) line.remove_suffix(2);
    return line.find_first_of(std::string_view("\0\r\n", 3)) != std::string_view::npos;
}

}  // namespace

ContentSurvey::Part& ContentSurvey::part() {
    const auto number = entity().number;
    if (number >= parts_max) {
        facts_.too_many_parts = true;
        return beyond_;
    }
    if (parts_.size() <= number) parts_.resize(number + 1);
    return parts_[number];
}

void ContentSurvey::header_line(std::string_view line) {
    const bool inside = entity().is_message && entity().number > 0;  // of a message that is only carried
    facts_.header_eight_bit = facts_.header_eight_bit || (!inside && is_eight_bit(line));
}

void ContentSurvey::header_end(std::string_view) { part().entity = entity(); }

void ContentSurvey::body_line(std::string_view line) {
    const bool ends = line.ends_with("\r\n");
    line_octets_ += line.size() - (ends ? 2 : 0);
    const bool binary = has_binary(line) || line_octets_ > text_line_octets_max;
    if (ends) line_octets_ = 0;
    const bool eight_bit = is_eight_bit(line);
    if (!binary && !eight_bit) return;
    Part& here = part();
    here.binary = here.binary || binary;
    here.eight_bit = here.eight_bit || eight_bit;
    facts_.binary = facts_.binary || binary;
    facts_.body_eight_bit = facts_.body_eight_bit || eight_bit;
}

void ContentSurvey::between_parts(std::string_view line) {
    facts_.body_eight_bit = facts_.body_eight_bit || is_eight_bit(line);
    line_octets_ = 0;
}

ContentConversion::Plan ContentConversion::plan() const {
    const auto number = entity().number;
    if (number >= survey_.parts().size()) return Plan::Keep;
    const auto& part = survey_.parts()[number];
    const bool labelled = part.entity.encoding == Encoding::Binary ||
                          (part.entity.encoding == Encoding::EightBit && for_ == For::SevenBit);
    if (part.entity.kind != Entity::Kind::Leaf) return labelled ? Plan::Relabel : Plan::Keep;
    if (part.entity.encoding == Encoding::Other) return Plan::Keep;  // encoded, if wrongly
    const bool passes = !part.binary && !(part.eight_bit && for_ == For::SevenBit);
    if (!passes) return Plan::Encode;
    return part.entity.encoding == Encoding::Binary ? Plan::Relabel : Plan::Keep;
}

void ContentConversion::header_line(std::string_view line) {
    if (plan() == Plan::Keep) {
        out_ += line;
        return;
    }
    const bool continues = line.front() == ' ' || line.front() == '\t';
    if (!continues)
        dropping_ = base::iequals(base::trim(line.substr(0, line.find(':'))), "Content-Transfer-Encoding");
    if (!dropping_) out_ += line;
}

void ContentConversion::header_end(std::string_view line) {
    dropping_ = false;
    column_ = 0;
    const Plan what = plan();
    if (what == Plan::Encode) {
        if (entity().is_message && !entity().has_version) out_ += "MIME-Version: 1.0\r\n";
        // RFC 1428 §3: nobody said which characters these octets are.
        if (!entity().has_type) out_ += "Content-Type: text/plain; charset=unknown-8bit\r\n";
        out_ += "Content-Transfer-Encoding: quoted-printable\r\n";
    }
    if (what == Plan::Relabel)
        out_ += for_ == For::SevenBit ? "Content-Transfer-Encoding: 7bit\r\n"
                                      : "Content-Transfer-Encoding: 8bit\r\n";
    out_ += what != Plan::Keep && line.empty() ? "\r\n" : line;
}

void ContentConversion::body_line(std::string_view line) {
    if (plan() == Plan::Encode)
        encode(line);
    else
        out_ += line;
}

/// Nobody reads it, and it has no encoding of its own.
void ContentConversion::between_parts(std::string_view line) {
    for (const char c : line) {
        const bool passes = c != '\0' && (for_ == For::EightBit || static_cast<unsigned char>(c) < 0x80);
        out_ += passes ? c : '?';
    }
}

void ContentConversion::put(std::string_view encoded) {
    if (column_ + encoded.size() > encoded_line_max - 1) {  // room for the "=" of a soft line break
        out_ += "=\r\n";
        column_ = 0;
    }
    out_ += encoded;
    column_ += encoded.size();
}

void ContentConversion::encode(std::string_view line) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    const bool ends = line.ends_with("\r\n");
    if (ends) line.remove_suffix(2);
    for (std::size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        const bool blank = c == ' ' || c == '\t';
        // White space at the end of a line would be lost; at the end of a piece nobody knows yet.
        const bool as_it_is = (c > ' ' && c < 0x7f && c != '=') || (blank && i + 1 < line.size());
        if (as_it_is) {
            put(line.substr(i, 1));
            continue;
        }
        const auto octet = static_cast<unsigned char>(c);
        const char escaped[] = {'=', digits[octet >> 4], digits[octet & 15]};
        put({escaped, sizeof escaped});
    }
    if (!ends) return;
    out_ += "\r\n";
    column_ = 0;
}

}  // namespace mail
