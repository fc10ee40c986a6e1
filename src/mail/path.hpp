// Parsing of reverse paths, forward paths and bare mailboxes (RFC 5321 §4.1.2, address literals §4.1.3,
// UTF-8: RFC 6531 §3.3). Source routes are taken and dropped (RFC 5321 appendix C). Pure; used by smtp/,
// commands/, tables/.
#pragma once

#include "mail/address.hpp"

#include <expected>
#include <string_view>

namespace mail {

enum class PathError { BadSyntax, LocalPartTooLong, DomainTooLong, PathTooLong, NonAscii };
std::string_view to_text(PathError error);

struct PathOptions {
    enum class Utf8 { Refuse, Allow } utf8 = Utf8::Refuse;
    /// Strict: <…> and a domain. Tolerant: as Postfix without strict_rfc821_envelopes: no brackets, no
    /// domain.
    enum class Form { Strict, Tolerant } form = Form::Strict;
};

struct ForwardPath {
    Address address;
    bool is_bare_postmaster = false;  // "<Postmaster>" (RFC 5321 §4.1.1.3)
};

/// `text` excludes CRLF and parameters. Accepts "<>".
std::expected<ReversePath, PathError> parse_reverse_path(std::string_view text, PathOptions options = {});
std::expected<ForwardPath, PathError> parse_forward_path(std::string_view text, PathOptions options = {});
/// local-part "@" domain without brackets.
std::expected<Address, PathError> parse_mailbox(std::string_view text, PathOptions options = {});
/// The length of the path at the start of a MAIL or RCPT argument: up to the closing '>' outside quotes, else
/// the first space.
std::size_t path_length(std::string_view argument);

}  // namespace mail
