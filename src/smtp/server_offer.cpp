#include "smtp/server_offer.hpp"

#include "base/text.hpp"

#include <algorithm>

namespace smtp {

std::vector<OfferedExtension> offered_extensions(const Reply& reply) {
    std::vector<OfferedExtension> out;
    for (std::size_t i = 1; i < reply.lines.size(); ++i) {
        const std::string_view line = reply.lines[i];
        const bool auth = base::istarts_with(line, "AUTH=") || base::istarts_with(line, "AUTH ");
        const auto words = base::split_any(line, auth ? " =" : " ");
        if (words.empty()) continue;
        OfferedExtension one{std::string(words[0]), {}};
        for (std::size_t k = 1; k < words.size(); ++k) one.parameters.emplace_back(words[k]);
        out.push_back(std::move(one));
    }
    return out;
}

ServerOffer read_offer(const Reply& reply, const std::vector<std::string>& discarded) {
    ServerOffer out;
    constexpr std::pair<std::string_view, bool ServerOffer::*> plain[] = {
        {"PIPELINING", &ServerOffer::pipelining}, {"8BITMIME", &ServerOffer::eight_bit},
        {"SMTPUTF8", &ServerOffer::smtputf8},     {"DSN", &ServerOffer::dsn},
        {"STARTTLS", &ServerOffer::start_tls},    {"CHUNKING", &ServerOffer::chunking},
        {"BINARYMIME", &ServerOffer::binary},     {"SIZE", &ServerOffer::size}};
    for (auto& [keyword, parameters] : offered_extensions(reply)) {
        const auto is = [&](std::string_view name) { return base::iequals(keyword, name); };
        if (std::ranges::any_of(discarded, is)) continue;
        for (const auto& [name, member] : plain)
            if (is(name)) out.*member = true;
        if (is("SIZE") && !parameters.empty())
            out.size_limit = base::parse_number(parameters.front()).value_or(0);
        if (is("AUTH")) out.mechanisms.insert(out.mechanisms.end(), parameters.begin(), parameters.end());
        if (is("XFORWARD")) out.xforward = std::move(parameters);
    }
    return out;
}

}  // namespace smtp
