#include "accounts/user_file.hpp"

#include "accounts/password.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace accounts {
namespace {

constexpr std::string_view scram_field = "scram-sha-256=", scram_sha1_field = "scram-sha-1=";
constexpr std::string_view app_field = "app-";
constexpr std::size_t account_columns = 5;  // uid gid gecos home shell

// Extra fields stand behind the seventh colon; an application password's hash may not hold a space.
void take_extra(std::string_view text, User& user) {
    for (const auto word : base::split_any(text, " \t")) {
        const auto equals = word.find('=');
        if (word == "disabled")
            user.disabled = true;
        else if (word.starts_with(scram_field))
            user.scram = word.substr(scram_field.size());
        else if (word.starts_with(scram_sha1_field))
            user.scram_sha1 = word.substr(scram_sha1_field.size());
        else if (word.starts_with(app_field) && equals != std::string_view::npos)
            user.app_passwords.emplace_back(word.substr(app_field.size(), equals - app_field.size()),
                                            word.substr(equals + 1));
        else
            user.other_fields.emplace_back(word);
    }
}

}  // namespace

bool is_user_name(std::string_view name) {
    constexpr std::size_t octets_max = 255;
    return !name.empty() && name.size() <= octets_max && base::is_utf8(name) && name.front() != '#' &&
           std::ranges::none_of(
               name, [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == ':' || c == 0x7f; });
}

std::expected<UserFile, std::string> parse_user_file(std::string_view text) {
    UserFile out;
    int number = 0;
    for (auto line : base::split(text, '\n')) {
        ++number;
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (base::trim(line).empty() || line.front() == '#') continue;
        if (std::ranges::any_of(
                line, [](char c) { return (static_cast<unsigned char>(c) < ' ' && c != '\t') || c == 0x7f; }))
            return std::unexpected(fmt::format("line {}: a control character", number));
        const auto columns = base::split(line, ':');
        if (!is_user_name(columns[0]))
            return std::unexpected(fmt::format("line {}: not a user name", number));
        User user;
        if (columns.size() > 1) user.password = columns[1];
        if (!user.password.empty() && !is_known_scheme(user.password))
            out.problems.push_back(fmt::format(
                "line {}: the password of {} is of a scheme this version does not know", number, columns[0]));
        for (std::size_t i = 2; i < columns.size() && i < 2 + account_columns; ++i)
            user.account_fields += (i > 2 ? ":" : "") + std::string(columns[i]);
        std::string extra;
        for (std::size_t i = 2 + account_columns; i < columns.size(); ++i)
            extra += (i > 2 + account_columns ? ":" : "") + std::string(columns[i]);
        take_extra(extra, user);
        if (!out.users.emplace(columns[0], std::move(user)).second)
            return std::unexpected(fmt::format("line {}: {} is there twice", number, columns[0]));
    }
    return out;
}

std::string to_text(const UserFile& file) {
    std::string out;
    for (const auto& [name, user] : file.users) {
        std::string extra;
        const auto add = [&](const std::string& word) { extra += (extra.empty() ? "" : " ") + word; };
        if (!user.scram.empty()) add(std::string(scram_field) + user.scram);
        if (!user.scram_sha1.empty()) add(std::string(scram_sha1_field) + user.scram_sha1);
        if (user.disabled) add("disabled");
        for (const auto& [app, hash] : user.app_passwords) add(fmt::format("{}{}={}", app_field, app, hash));
        for (const auto& word : user.other_fields) add(word);
        std::string account = user.account_fields;
        const auto colons = static_cast<std::size_t>(std::count(account.begin(), account.end(), ':'));
        account.append(colons + 1 < account_columns ? account_columns - 1 - colons : 0, ':');
        out += fmt::format("{}:{}:{}:{}\n", name, user.password, account, extra);
    }
    return out;
}

}  // namespace accounts
