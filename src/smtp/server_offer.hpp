// What a server offers in its reply to EHLO (RFC 5321 §4.1.1.1) or LHLO, as the client reads it: every line
// as keyword and parameters, and what of it this client uses. Tolerant: a line that is none is passed over.
// Pure.
#pragma once

#include "smtp/reply_parser.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace smtp {

struct OfferedExtension {
    std::string keyword;  // as sent
    std::vector<std::string> parameters;
};

/// The lines behind the first one, in order. "AUTH=LOGIN PLAIN", an old draft's form, is AUTH with two
/// parameters.
std::vector<OfferedExtension> offered_extensions(const Reply& reply);

struct ServerOffer {
    bool pipelining = false, size = false, eight_bit = false, smtputf8 = false, dsn = false,
         start_tls = false, chunking = false, binary = false;
    std::uint64_t size_limit = 0;         // of SIZE (RFC 1870 §3); 0: none is told
    std::vector<std::string> mechanisms;  // of AUTH, from all its lines
    std::vector<std::string> xforward;    // the attributes it takes
};
/// `discarded`: keywords to leave out (smtp_discard_ehlo_keywords).
ServerOffer read_offer(const Reply& reply, const std::vector<std::string>& discarded = {});

}  // namespace smtp
