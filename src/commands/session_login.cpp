#include "commands/session_login.hpp"

#include "base/base64.hpp"
#include "base/text.hpp"
#include "sasl/client.hpp"
#include "sasl/prepare.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace commands {
namespace {

constexpr std::size_t nonce_octets = 18;

std::vector<std::string> offered_mechanisms(const Reply& ehlo) {
    std::vector<std::string> out;
    for (const auto& line : ehlo.lines)
        if (base::istarts_with(line, "AUTH "))
            for (const auto word : base::split_any(std::string_view(line).substr(5), " "))
                out.emplace_back(word);
    return out;
}

sasl::MechanismRules rules_for(SessionTalk& talk) {
    const auto& options = talk.options();
    std::string octets(nonce_octets, '\0');
    talk.services().random.fill(octets);
    sasl::MechanismRules out;
    out.plaintext = talk.encrypted() || talk.stream().peer().address.is_loopback();
    if (!options.mechanism.empty()) out.only.push_back(options.mechanism);
    out.nonce = base::base64_encode(octets);
    out.host = options.host;
    out.port = options.port();
    out.bindings = sasl::bindings_of(talk.stream());
    return out;
}

std::string why_none(const std::vector<std::string>& offered, bool encrypted) {
    if (offered.empty())
        return encrypted ? "the server offers no AUTH here"
                         : "the server offers no AUTH here; with --tls it may";
    return encrypted ? "none of the offered mechanisms may be used"
                     : "none of the offered mechanisms may be used: passwords are not sent without TLS";
}

}  // namespace

env::Task<int> log_in(SessionTalk& talk, Reply ehlo) {
    const auto& options = talk.options();
    talk.keep_secret(options.password);
    talk.keep_secret(sasl::prepared_or_same(options.password));
    const auto offered = offered_mechanisms(ehlo);
    const auto rules = rules_for(talk);
    const auto mechanism = sasl::choose(offered, {options.user, options.password}, rules);
    if (!mechanism) {
        talk.show('*', why_none(offered, talk.encrypted()));
        co_return session_login;
    }
    const std::string name(mechanism->name());
    talk.record()["auth"] = {{"mechanism", name}};
    const auto initial = mechanism->initial();
    if (initial) talk.keep_secret(*initial);
    std::string line = "AUTH " + name;
    if (initial) line += " " + (initial->empty() ? std::string("=") : base::base64_encode(*initial));
    std::string shown = "AUTH " + name + (initial ? " (secret)" : "");
    Reply reply = co_await talk.command(std::move(line), std::move(shown));
    while (reply.code == 334) {
        const auto challenge = base::base64_decode(reply.last());
        const bool bearer_error = challenge && challenge->starts_with('{');  // RFC 7628 §3.2.2
        if (bearer_error) talk.show('*', "the server says: " + talk.masked(*challenge));
        auto answer = challenge ? mechanism->respond(*challenge)
                                : std::expected<std::string, std::string>(std::unexpected("not base64"));
        if (!answer) talk.show('*', "giving up: " + talk.masked(answer.error()));
        if (answer) talk.keep_secret(*answer);
        line = answer ? base::base64_encode(*answer) : "*";
        shown = answer ? "(secret)" : "*";
        reply = co_await talk.command(std::move(line), std::move(shown));
    }
    if (reply.code == 0) co_return session_connection;
    if (reply.code >= 300) co_return session_login;
    if (!mechanism->satisfied()) {
        talk.show('*', "the server did not prove that it knows the password: it may be another");
        co_return session_login;
    }
    talk.record()["auth"]["accepted"] = true;
    co_return session_accepted;
}

}  // namespace commands
