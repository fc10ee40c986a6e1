// The Authentication-Results field (RFC 8601): written from values, so that nothing a message or a peer says
// can bend it; and read as far as needed to recognise a foreign field that bears our id. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mail {

struct AuthenticationMethod {
    std::string method;   // "spf", "dkim", "dmarc", "arc", "iprev", "auth"
    std::string result;   // "pass", "fail", …
    std::string comment;  // stands in parentheses; empty: none
    std::string reason;   // reason="…"; empty: none
    std::vector<std::pair<std::string, std::string>> properties;  // "smtp.mailfrom" to its value
};

/// What stands behind the id, folded: "spf=pass smtp.mailfrom=…;\r\n\tdkim=…". No methods: "none".
std::string authentication_results_text(const std::vector<AuthenticationMethod>& methods);
/// The whole field with CRLF.
std::string authentication_results_field(std::string_view authserv_id,
                                         const std::vector<AuthenticationMethod>& methods);
/// The authserv-id of a field's value (comments and quotes resolved, lower case); nullopt: it cannot be read.
std::optional<std::string> authserv_id_of(std::string_view value);
/// What stands behind the id and its version, as it is; "" when it cannot be read.
std::string results_of(std::string_view value);

/// The results of `method` in what results_of() gave, lower case, in order: "pass", "fail".
std::vector<std::string> results_for(std::string_view results, std::string_view method);

}  // namespace mail
