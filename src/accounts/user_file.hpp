// A user file as a value: Dovecot's passwd-file form, one user a line,
//   name:{SCHEME}hash:uid:gid:gecos:home:shell:extra fields
// Extra fields of ours: scram-sha-256=VERIFIER, scram-sha-1=VERIFIER, disabled, app-NAME={SCHEME}hash
// (application passwords). What we do not know is kept as it is.
#pragma once

#include <expected>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace accounts {

struct User {
    std::string password;           // with its scheme; empty: cannot log in with a main password
    std::string scram, scram_sha1;  // verifier texts of SCRAM-SHA-256 and SCRAM-SHA-1; empty: none
    bool disabled = false;
    std::vector<std::pair<std::string, std::string>> app_passwords;  // name, hash
    std::string account_fields;                                      // uid:gid:gecos:home:shell
    std::vector<std::string> other_fields;
};

struct UserFile {
    std::map<std::string, User, std::less<>> users;
    std::vector<std::string> problems;  // of single users, who cannot log in; with their lines
};

/// The error names the line. Passwords of an unknown scheme are problems, not errors.
std::expected<UserFile, std::string> parse_user_file(std::string_view text);
std::string to_text(const UserFile& file);
/// A name that can stand in a user file and in a reply: printable, no colon, no space, at most 255 octets.
bool is_user_name(std::string_view name);

}  // namespace accounts
