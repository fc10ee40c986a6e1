// Whom we log in as: smtp_sasl_password_maps, and bearer tokens from files and programs. A token of a program
// is kept until it expires or is refused. Belongs to the queue manager's loop.
#pragma once

#include "env/clock.hpp"
#include "env/file_system.hpp"
#include "env/programs.hpp"
#include "sasl/client.hpp"
#include "tables/table.hpp"

#include <chrono>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace delivery {

class CredentialSource {
 public:
    struct Services {
        env::FileSystem& files;
        env::Clock& clock;
        env::Programs* programs;  // nullptr: tokens of programs are an error
    };
    CredentialSource(Services services, tables::TableList maps, std::chrono::seconds token_lifetime)
        : services_(services), maps_(std::move(maps)), token_lifetime_(token_lifetime) {}

    struct Login {
        sasl::Credentials credentials;
        std::string token_of;  // the program or file whose token this is; empty: a password
    };
    /// Of the first of `keys` that the tables hold; nullopt: of none. Error: a sentence, for deferring.
    env::Task<std::expected<std::optional<Login>, std::string>> find(std::vector<std::string> keys);
    /// The server refused this login: its token is asked for anew. False: it is a password, nothing changes.
    bool refused(const Login& login);

 private:
    struct Token {
        std::string text;
        env::SteadyTime until{};
    };
    env::Task<std::expected<std::string, std::string>> token(std::string source);
    Services services_;
    tables::TableList maps_;
    std::chrono::seconds token_lifetime_;
    std::map<std::string, Token> tokens_;  // by program and its arguments
};

/// What a program or file gives: the token alone, or OAuth 2's JSON (RFC 6749 §5.1: access_token,
/// expires_in).
struct BearerToken {
    std::string text;
    std::optional<std::chrono::seconds> lifetime;
};
std::optional<BearerToken> parse_token(std::string_view text);

}  // namespace delivery
