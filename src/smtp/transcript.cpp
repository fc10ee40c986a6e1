#include "smtp/transcript.hpp"

#include "base/text.hpp"
#include "smtp/command.hpp"

#include <algorithm>

namespace smtp {
namespace {

constexpr std::string_view hidden = "(not shown)";

/// One that is not a name of these may be a password at the wrong place.
bool is_mechanism(std::string_view word) {
    constexpr std::string_view names[] = {"PLAIN",
                                          "LOGIN",
                                          "CRAM-MD5",
                                          "DIGEST-MD5",
                                          "EXTERNAL",
                                          "XOAUTH2",
                                          "OAUTHBEARER",
                                          "NTLM",
                                          "GSSAPI",
                                          "SCRAM-SHA-1",
                                          "SCRAM-SHA-256",
                                          "SCRAM-SHA-1-PLUS",
                                          "SCRAM-SHA-256-PLUS"};
    return std::ranges::any_of(names, [&](auto name) { return base::iequals(name, word); });
}

std::string ascii(std::string text) {
    for (char& c : text)
        if (static_cast<unsigned char>(c) >= 0x80) c = '?';
    return text;
}

/// The next line of `lines`, without its line end.
std::string_view take_line(std::string_view& lines) {
    const auto end = std::min(lines.find('\n'), lines.size());
    std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

}  // namespace

void Transcript::add(std::string_view label, std::string_view line) {
    text_ += label;
    text_ += ascii(base::printable(line.substr(0, line_octets_max), line_octets_max));
    text_ += line.size() > line_octets_max ? " ...\r\n" : "\r\n";
    if (text_.size() <= octets_max) return;
    // Half of it goes, so that this is seldom done.
    text_.erase(0, text_.find('\n', text_.size() - octets_max / 2) + 1);
    shortened_ = true;
}

/// A command line without what must not be shown: credentials, and what may be some.
std::string Transcript::showable(std::string_view line, Meaning meaning) {
    const CommandLine command = parse_command_line(line);
    const bool secret = meaning == Meaning::Secret;
    if (secret || command.verb == Verb::Auth) {
        after_auth_ = true;
        if (secret) return std::string(hidden);
        const auto end = std::min(command.argument.find(' '), command.argument.size());
        const std::string_view mechanism = command.argument.substr(0, end);
        if (!is_mechanism(mechanism)) return "AUTH " + std::string(hidden);
        const bool more = end < command.argument.size();
        return "AUTH " + std::string(mechanism) + (more ? " " + std::string(hidden) : "");
    }
    const bool is_command = command.verb != Verb::Unknown;
    if (!is_command && (after_auth_ || base::lower(line).find("auth") != std::string::npos))
        return std::string(hidden);
    if (is_command) after_auth_ = false;
    return std::string(line);
}

void Transcript::commands(std::string_view lines, Meaning meaning) {
    const std::string_view label = side_ == Side::Server ? " In:  " : " Out: ";
    while (!lines.empty()) {
        const std::string_view line = take_line(lines);
        add(label, showable(line, meaning));
    }
}

void Transcript::replies(std::string_view lines) {
    const std::string_view label = side_ == Side::Server ? " Out: " : " In:  ";
    while (!lines.empty()) {
        const std::string_view line = take_line(lines);
        add(label, line.starts_with("334") ? "334 " + std::string(hidden) : std::string(line));
    }
}

void Transcript::forget() {
    shortened_ = shortened_ || !text_.empty();
    text_.clear();
    text_.shrink_to_fit();
}

std::string Transcript::text() const {
    return (shortened_ ? " (what was said before is left out)\r\n" : "") + text_;
}

}  // namespace smtp
