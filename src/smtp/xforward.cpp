#include "smtp/xforward.hpp"

#include "base/text.hpp"
#include "smtp/client_attributes.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace smtp {
namespace {

constexpr std::size_t line_octets_max = 510;  // without its end (RFC 5321 §4.5.3.1.4)

}  // namespace

std::string Xforward::client() const {
    const auto shown = [](const std::optional<std::string>& text) {
        return text && !text->empty() ? *text : "unknown";
    };
    return fmt::format("{}[{}]", shown(name), shown(address));
}

std::expected<void, mail::ReplyText> parse_xforward(std::string_view argument, Xforward& known) {
    const auto attributes = parse_client_attributes(argument, "XFORWARD");
    if (!attributes) return std::unexpected(attributes.error());
    Xforward out = known;
    for (const auto& one : *attributes) {
        const auto is = [&](std::string_view name) { return base::iequals(one.name, name); };
        if (is("NAME")) {
            out.name = one.value;
        } else if (is("ADDR")) {
            out.address = address_of(one);
        } else if (is("HELO")) {
            out.helo = one.value;
        } else if (is("PROTO")) {
            out.protocol = one.value;
        } else if (is("IDENT")) {
            out.queue_id = one.value;
        } else if (is("PORT")) {
            out.port = port_of(one);
            if (!out.port) return std::unexpected(bad_attribute(one.name, one.value));
        } else if (is("SOURCE")) {
            const bool local = base::iequals(one.value, "LOCAL");
            if (!local && !one.unknown && !base::iequals(one.value, "REMOTE"))
                return std::unexpected(bad_attribute(one.name, one.value));
            out.local = one.unknown ? std::nullopt : std::optional(local);
        } else {
            return std::unexpected(unknown_attribute(one.name, "XFORWARD"));
        }
    }
    known = std::move(out);
    return {};
}

void take_over(const Xforward& said, mail::Origin& origin) {
    if (!said.name && !said.address) return;  // of whom it speaks is not said
    origin.client_name = said.name && !said.name->empty() ? *said.name : "unknown";
    origin.reverse_name = origin.client_name;
    origin.client_address = said.address && !said.address->empty() ? *said.address : "unknown";
    origin.client_port = said.port.value_or(0);
    origin.helo = said.helo.value_or("");
    origin.protocol = said.protocol.value_or("");
}

Xforward describe(const mail::Envelope& envelope, std::string queue_id) {
    const mail::Origin nobody;
    const auto& origin = envelope.origin.service == "pickup" ? nobody : envelope.origin;
    Xforward out;
    out.local = !envelope.from_outside;
    out.queue_id = std::move(queue_id);
    const auto known = [](const std::string& text) { return text == "unknown" ? std::string() : text; };
    out.name = known(origin.client_name);
    out.address = known(origin.client_address);
    out.port = origin.client_port;
    out.helo = origin.helo;
    out.protocol = origin.protocol;
    return out;
}

std::deque<std::string> xforward_commands(const Xforward& what, const std::vector<std::string>& offered) {
    std::deque<std::string> out;
    std::string line;
    const auto close = [&] {
        if (!line.empty()) out.push_back(std::exchange(line, {}) + "\r\n");
    };
    const auto add = [&](std::string_view name, const std::string& value) {
        if (std::ranges::none_of(offered, [&](const auto& word) { return base::iequals(word, name); }))
            return;
        const std::string attribute = fmt::format(" {}={}", name, encode_attribute(value));
        if (line.size() + attribute.size() > line_octets_max) close();
        if (line.empty()) line = "XFORWARD";
        line += attribute;
    };
    if (what.name) add("NAME", *what.name);
    if (what.address)
        add("ADDR", what.address->find(':') != std::string::npos ? "IPV6:" + *what.address : *what.address);
    if (what.port) add("PORT", *what.port == 0 ? std::string() : std::to_string(*what.port));
    close();
    if (what.protocol) add("PROTO", *what.protocol);
    if (what.helo) add("HELO", *what.helo);
    if (what.queue_id) add("IDENT", *what.queue_id);
    if (what.local) add("SOURCE", *what.local ? "LOCAL" : "REMOTE");
    close();
    return out;
}

}  // namespace smtp
