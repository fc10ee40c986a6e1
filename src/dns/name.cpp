#include "dns/name.hpp"

#include "base/text.hpp"
#include "dns/record.hpp"

#include <algorithm>

namespace dns {

std::optional<Name> Name::parse(std::string_view text) {
    constexpr std::size_t label_max = 63;  // RFC 1035 §2.3.4
    constexpr std::size_t name_max = 253;  // 255 octets on the wire
    if (text == ".") return Name{};
    if (text.ends_with('.')) text.remove_suffix(1);
    if (text.empty() || text.size() > name_max) return std::nullopt;
    for (const auto label : base::split(text, '.')) {
        if (label.empty() || label.size() > label_max) return std::nullopt;
        if (!std::ranges::all_of(label, [](char c) { return base::is_print(c) && c != ' '; }))
            return std::nullopt;
    }
    Name name;
    name.text_ = base::lower(text);
    return name;
}

std::vector<std::string_view> Name::labels() const {
    return is_root() ? std::vector<std::string_view>{} : base::split(text_, '.');
}

Name Name::parent() const {
    Name out;
    const auto dot = text_.find('.');
    if (dot != std::string::npos) out.text_ = text_.substr(dot + 1);
    return out;
}

bool Name::is_within(const Name& other) const {
    if (other.is_root() || text_ == other.text_) return true;
    return text_.size() > other.text_.size() && text_.ends_with(other.text_) &&
           text_[text_.size() - other.text_.size() - 1] == '.';
}

std::optional<Name> Name::prepend(std::string_view label) const {
    return parse(is_root() ? std::string(label) : std::string(label) + "." + text_);
}

std::string Txt::joined() const {
    std::string out;
    for (const auto& string : strings) out += string;
    return out;
}

}  // namespace dns
