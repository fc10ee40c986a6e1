#include "config/configuration.hpp"

#include "base/result.hpp"
#include "base/text.hpp"
#include "config/lmtp_names.hpp"
#include "config/values.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace config {
namespace {

constexpr int depth_max = 50;

bool is_name_char(char c) { return base::is_alnum(c) || c == '_'; }

// The index behind the bracket that closes the one at `open`; npos: none.
std::size_t closing(std::string_view text, std::size_t open, char left, char right) {
    int depth = 0;
    for (std::size_t i = open; i < text.size(); ++i) {
        if (text[i] == left) ++depth;
        if (text[i] == right && --depth == 0) return i + 1;
    }
    return std::string_view::npos;
}

std::string mynetworks_of(const Machine& machine, std::string_view style) {
    std::string out = "127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128";
    const auto& more =
        style == "subnet" || style == "class" ? machine.interface_networks : machine.interface_addresses;
    for (const auto& network : more) out += " " + network;
    return out;
}

}  // namespace

std::string Registry::nearest(std::string_view name) const {
    constexpr std::size_t distance_max = 3;
    std::string best;
    std::size_t distance = distance_max + 1;
    for (const auto& [known, info] : parameters_) {
        const auto d = edit_distance(name, known, distance_max);
        if (d < distance) {
            distance = d;
            best = known;
        }
    }
    return best;
}

Configuration::Configuration(std::shared_ptr<const Registry> registry, std::vector<Setting> settings,
                             Machine machine)
    : registry_(std::move(registry)) {
    std::size_t order = 0;
    for (auto& setting : settings)
        settings_[setting.name] =
            Value{std::move(setting.value), std::move(setting.file), setting.line, order++};
    computed_["myhostname"] = machine.host_name;
    const std::string host = get("myhostname");
    const auto dot = host.find('.');
    computed_["mydomain"] = dot == std::string::npos ? "localdomain" : host.substr(dot + 1);
    computed_["mynetworks"] = mynetworks_of(machine, get("mynetworks_style"));
}

Configuration Configuration::with_overrides(const Service& service) const {
    Configuration out = *this;
    for (const auto& [name, value] : service.overrides)
        out.settings_[name] = Value{value, service.file, service.line, out.settings_.size()};
    out.computed_["service_name"] = service.name;
    return out;
}

Configuration Configuration::for_lmtp() const {
    Configuration out = *this;
    std::erase_if(out.settings_, [](const auto& setting) { return setting.first.starts_with("smtp_"); });
    for (const auto& [name, value] : settings_) {
        if (!name.starts_with("lmtp_")) continue;
        Value renamed = value;
        // Expanded here: it may refer to what the smtp client reads.
        if (const auto text = expand(value.text)) {
            renamed.text.clear();
            for (const char c : *text) renamed.text.append(c == '$' ? 2 : 1, c);
        }
        out.settings_[smtp_name_of(name)] = std::move(renamed);
    }
    constexpr std::pair<std::string_view, std::string_view> other_defaults[] = {
        {"smtp_fallback_relay", ""}, {"smtp_tcp_port", "24"}, {"smtp_tls_secure_cert_match", "nexthop"}};
    for (const auto& [name, value] : other_defaults) out.computed_[std::string(name)] = value;
    return out;
}

std::optional<std::string> Configuration::default_of(std::string_view name) const {
    if (const auto at = computed_.find(name); at != computed_.end()) return at->second;
    if (const auto* info = registry_->find(name)) return info->default_value;
    if (const auto* value = postfix_default(name)) return std::string(*value);
    return std::nullopt;
}

std::optional<std::string> Configuration::raw(std::string_view name) const {
    if (const auto at = settings_.find(name); at != settings_.end()) return at->second.text;
    return default_of(name);
}

std::string Configuration::get(std::string_view name) const {
    const auto text = raw(name);
    return text ? expand(*text).value_or("") : "";
}

Origin Configuration::origin(std::string_view name) const {
    const auto at = settings_.find(name);
    return at == settings_.end() ? Origin{} : Origin{at->second.file, at->second.line};
}

std::vector<Setting> Configuration::settings() const {
    std::vector<std::pair<std::size_t, Setting>> ordered;
    for (const auto& [name, value] : settings_)
        ordered.emplace_back(value.order, Setting{name, value.text, value.file, value.line});
    std::ranges::sort(ordered, {}, [](const auto& p) { return p.first; });
    std::vector<Setting> out;
    for (auto& [order, setting] : ordered) out.push_back(std::move(setting));
    return out;
}

std::expected<std::string, std::string> Configuration::expand(std::string_view text) const {
    return expand(text, 0);
}

std::expected<std::string, std::string> Configuration::expand(std::string_view text, int depth) const {
    if (depth > depth_max) return std::unexpected("the values refer to each other in a circle");
    std::string out;
    for (std::size_t i = 0; i < text.size();) {
        if (text[i] != '$' || i + 1 >= text.size()) {
            out += text[i++];
            continue;
        }
        const char next = text[i + 1];
        if (next == '$') {
            out += '$';
            i += 2;
        } else if (next == '{' || next == '(') {
            const auto end = closing(text, i + 1, next, next == '{' ? '}' : ')');
            if (end == std::string_view::npos)
                return std::unexpected(
                    fmt::format("'{}' is not closed", base::printable(text.substr(i), 40)));
            TRY_ASSIGN(const std::string value, expand_macro(text.substr(i + 2, end - i - 3), depth));
            out += value;
            i = end;
        } else if (is_name_char(next)) {
            std::size_t end = i + 1;
            while (end < text.size() && is_name_char(text[end])) ++end;
            const auto value = raw(text.substr(i + 1, end - i - 1));
            if (value) {
                TRY_ASSIGN(const std::string expanded, expand(*value, depth + 1));
                out += expanded;
            }
            i = end;
        } else {
            out += text[i++];
        }
    }
    return out;
}

// What stands inside ${…}: name, name?text, name:text, name?{x}:{y}, {a} op {b} ? {x} : {y}.
namespace {

/// "3.6" or "3.6.1" as numbers; nullopt: no compatibility level.
std::optional<std::array<std::uint64_t, 3>> parse_level(std::string_view text) {
    const auto parts = base::split(text, '.');
    std::array<std::uint64_t, 3> out{};
    if (parts.size() > out.size()) return std::nullopt;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const auto number = base::parse_number(parts[i], 1000000);
        if (!number) return std::nullopt;
        out[i] = *number;
    }
    return out;
}

template <class T>
int order_of(const T& a, const T& b) {
    return a < b ? -1 : b < a ? 1 : 0;
}

enum class Comparison { Values, Levels };
/// How two values of a comparison stand to each other: as levels, as numbers, or as text.
std::expected<int, std::string> compare(const std::string& left, const std::string& right, Comparison how) {
    if (how == Comparison::Levels) {
        const auto a = parse_level(left), b = parse_level(right);
        if (!a || !b)
            return std::unexpected(
                fmt::format("'{}' is not a compatibility level", base::printable(a ? right : left, 40)));
        return order_of(*a, *b);
    }
    const auto a = base::parse_number(left), b = base::parse_number(right);
    return a && b ? order_of(*a, *b) : left.compare(right);
}

}  // namespace

std::expected<std::string, std::string> Configuration::expand_macro(std::string_view body, int depth) const {
    body = base::trim(body);
    bool truth = false;
    std::string_view rest;
    std::string value;
    if (body.starts_with('{')) {
        const auto left_end = closing(body, 0, '{', '}');
        if (left_end == std::string_view::npos) return std::unexpected("a comparison is not closed");
        std::string_view after = base::trim(body.substr(left_end));
        constexpr std::string_view operators[] = {
            "==level", "!=level", "<=level", ">=level", "<level", ">level", "==", "!=", "<=", ">=", "<", ">"};
        const auto* op = std::ranges::find_if(operators, [&](auto o) { return after.starts_with(o); });
        if (op == std::end(operators)) return std::unexpected("a comparison without ==, !=, <, <=, >, >=");
        after = base::trim(after.substr(op->size()));
        const auto right_end = closing(after, 0, '{', '}');
        if (!after.starts_with('{') || right_end == std::string_view::npos)
            return std::unexpected("a comparison's right side is not in braces");
        TRY_ASSIGN(const std::string left, expand(base::trim(body.substr(1, left_end - 2)), depth + 1));
        TRY_ASSIGN(const std::string right, expand(base::trim(after.substr(1, right_end - 2)), depth + 1));
        TRY_ASSIGN(const int order,
                   compare(left, right, op->ends_with("level") ? Comparison::Levels : Comparison::Values));
        const std::string_view relation = op->substr(0, op->find('l'));
        truth = relation == "=="   ? order == 0
                : relation == "!=" ? order != 0
                : relation == "<=" ? order <= 0
                : relation == ">=" ? order >= 0
                : relation == "<"  ? order < 0
                                   : order > 0;
        rest = base::trim(after.substr(right_end));
        if (!rest.starts_with('?')) return std::string(truth ? "bogus" : "");
    } else {
        std::size_t end = 0;
        while (end < body.size() && is_name_char(body[end])) ++end;
        const auto text = raw(body.substr(0, end));
        if (text) {
            TRY_ASSIGN(value, expand(*text, depth + 1));
        }
        truth = !value.empty();
        rest = base::trim(body.substr(end));
        if (rest.empty()) return value;
    }
    const char which = rest.front();
    if (which != '?' && which != ':')
        return std::unexpected(fmt::format("'{}': ? or : is missing", base::printable(body, 40)));
    std::string_view first = base::trim(rest.substr(1));
    std::string_view second;
    if (first.starts_with('{')) {
        const auto end = closing(first, 0, '{', '}');
        if (end == std::string_view::npos) return std::unexpected("a { is not closed");
        second = base::trim(first.substr(end));
        first = base::trim(first.substr(1, end - 2));
        if (second.starts_with(':')) second = base::trim(second.substr(1));
        if (second.starts_with('{') && second.ends_with('}'))
            second = base::trim(second.substr(1, second.size() - 2));
    }
    if (which == ':')
        return truth ? std::expected<std::string, std::string>(value) : expand(first, depth + 1);
    return expand(truth ? first : second, depth + 1);
}

}  // namespace config
