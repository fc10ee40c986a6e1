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

/// Command lines without what must not be shown: credentials, and what may be some.
class Mask {
 public:
    /// `in_doubt`: what was said before is not known.
    explicit Mask(bool in_doubt) : after_auth_(in_doubt) {}
    std::string secret() {
        after_auth_ = true;
        return std::string(hidden);
    }
    std::string command(std::string_view line) {
        const CommandLine command = parse_command_line(line);
        if (command.verb == Verb::Auth) {
            after_auth_ = true;
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

 private:
    bool after_auth_;  // what is no command may be a password that came too late
};

}  // namespace

void Transcript::add(Kind kind, std::string_view lines) {
    while (!lines.empty()) {
        const std::string_view line = take_line(lines);
        kept_ += static_cast<char>(kind);
        // One octet more tells that it was longer.
        if (kind != Kind::Secret) kept_ += line.substr(0, line_octets_max + 1);
        kept_ += '\n';
    }
    if (kept_.size() > octets_max) shorten();
}

/// Half of it goes, so that this is seldom done.
void Transcript::shorten() {
    kept_.erase(0, kept_.find('\n', kept_.size() - octets_max / 2) + 1);
    shortened_ = in_doubt_ = true;
}

void Transcript::commands(std::string_view lines, Meaning meaning) {
    add(meaning == Meaning::Secret ? Kind::Secret : Kind::Command, lines);
}

void Transcript::replies(std::string_view lines) { add(Kind::Reply, lines); }

void Transcript::forget() {
    constexpr std::size_t capacity_kept = 1024;
    shortened_ = shortened_ || !kept_.empty();
    kept_.clear();
    in_doubt_ = false;
    if (kept_.capacity() > capacity_kept) kept_.shrink_to_fit();
}

std::string Transcript::text() const {
    constexpr std::string_view cut = " (what was said before is left out)\r\n";
    constexpr std::string_view ours = " Out: ", theirs = " In:  ";
    std::string out;
    Mask mask(in_doubt_);
    std::string_view left = kept_;
    while (!left.empty()) {
        const Kind kind{left.front()};
        left.remove_prefix(1);
        const std::string_view line = take_line(left);
        const bool reply = kind == Kind::Reply;
        std::string shown = kind == Kind::Secret ? mask.secret()
                            : reply              ? std::string(line)
                                                 : mask.command(line);
        if (reply && line.starts_with("334")) shown = "334 " + std::string(hidden);
        out += reply == (side_ == Side::Server) ? ours : theirs;
        out += ascii(base::printable(std::string_view(shown).substr(0, line_octets_max), line_octets_max));
        out += shown.size() > line_octets_max ? " ...\r\n" : "\r\n";
    }
    const bool too_long = out.size() > octets_max;
    if (too_long) out.erase(0, out.find('\n', out.size() - octets_max) + 1);
    return (shortened_ || too_long ? std::string(cut) : "") + out;
}

}  // namespace smtp
