#include "smtp/xclient.hpp"

#include "base/text.hpp"
#include "smtp/client_attributes.hpp"

namespace smtp {

std::expected<Xclient, mail::ReplyText> parse_xclient(std::string_view argument) {
    const auto attributes = parse_client_attributes(argument, "XCLIENT");
    if (!attributes) return std::unexpected(attributes.error());
    Xclient out;
    for (const auto& one : *attributes) {
        const auto is = [&](std::string_view name) { return base::iequals(one.name, name); };
        if (is("NAME")) {
            out.name = one.unknown ? "unknown" : one.value;
        } else if (is("REVERSE_NAME")) {
            out.reverse_name = one.unknown ? "unknown" : one.value;
        } else if (is("ADDR")) {
            out.address = address_of(one);
        } else if (is("DESTADDR")) {
            out.destination_address = address_of(one);
        } else if (is("PORT") || is("DESTPORT")) {
            const auto port = port_of(one);
            if (!port) return std::unexpected(bad_attribute(one.name, one.value));
            (is("PORT") ? out.port : out.destination_port) = *port;
        } else if (is("PROTO")) {
            const bool extended = base::iequals(one.value, "ESMTP");
            if (!extended && !base::iequals(one.value, "SMTP"))
                return std::unexpected(bad_attribute(one.name, one.value));
            out.esmtp = extended;
        } else if (is("HELO")) {
            out.helo = one.value;
        } else if (is("LOGIN")) {
            out.login = one.value;
        } else {
            return std::unexpected(unknown_attribute(one.name, "XCLIENT"));
        }
    }
    return out;
}

}  // namespace smtp
