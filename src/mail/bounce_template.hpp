// The texts of notifications, in the format of Postfix's bounce(5): templates of the form "failure_template =
// <<EOF", each with Charset:, From:, Subject: and Postmaster-Subject: lines, an empty line and a text in
// which $name stands for a parameter. Pure; app/ fills in the names once, when the configuration is read.
#pragma once

#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace mail {

struct BounceTemplate {
    std::string charset = "us-ascii";
    std::string from, subject;
    std::string postmaster_subject;  // empty: the same
    std::string text;                // lines with LF ends
};

struct BounceTemplates {
    BounceTemplate failure, delay, success, verify;
};

/// Ours, in which $myhostname is still to be filled in.
BounceTemplates built_in_bounce_templates();
/// Replaces those that `text` has. Error: a sentence with the line's number; `into` is as it was.
std::expected<void, std::string> parse_bounce_templates(std::string_view text, BounceTemplates& into);
/// `value_of` a name; nullopt: there is none, which is the error.
using NamedValue = std::function<std::optional<std::string>(std::string_view name)>;
std::expected<void, std::string> fill_in_names(BounceTemplates& templates, const NamedValue& value_of);

}  // namespace mail
