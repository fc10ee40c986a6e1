#include "accounts/dovecot_authenticator.hpp"

#include "base/base64.hpp"
#include "base/text.hpp"

#include <fmt/format.h>

namespace accounts {
namespace {

constexpr auto patience = std::chrono::seconds(30);
constexpr std::size_t answer_octets_max = 64 * 1024;

/// Lines of the protocol, tab-separated.
class Lines {
 public:
    explicit Lines(env::Stream& stream, env::SteadyTime until) : stream_(stream), until_(until) {}
    env::Task<std::optional<std::string>> next() {
        for (;;) {
            if (const auto end = input_.find('\n'); end != std::string::npos) {
                std::string line = input_.substr(0, end);
                input_.erase(0, end + 1);
                co_return line;
            }
            if (input_.size() > answer_octets_max) co_return std::nullopt;
            char piece[4096];
            auto got = co_await stream_.read_some(piece, until_);
            if (!got || *got == 0) co_return std::nullopt;
            input_.append(piece, *got);
        }
    }

 private:
    env::Stream& stream_;
    env::SteadyTime until_;
    std::string input_;
};

}  // namespace

env::Task<LoginAnswer> DovecotAuthenticator::check(std::string user, std::string password,
                                                   LoginClient client) {
    const auto until = services_.loop.clock().steady() + patience;
    env::ConnectOptions how;
    auto stream = co_await services_.network.connect(socket_, how, until);
    if (!stream)
        co_return login_unknown(fmt::format("cannot connect to Dovecot's auth socket {}: {}", socket_.text(),
                                            env::to_text(stream.error())));
    std::string secret(1, '\0');
    secret += user + '\0' + password;
    // Dovecot turns away a second connection that names a process it is talking to.
    constexpr std::uint64_t process_numbers = 1ULL << 31;
    std::string ask = fmt::format(
        "VERSION\t1\t1\nCPID\t{}\nAUTH\t1\tPLAIN\tservice={}\tlip={}\trip={}{}\tnologin\tresp={}\n",
        1 + services_.random.below(process_numbers - 1), service_, client.server_address, client.address,
        client.encrypted ? "\tsecured" : "", base::base64_encode(secret));
    auto sent = co_await (*stream)->write(ask, until);
    if (!sent) co_return login_unknown("Dovecot's auth socket broke off");
    Lines lines(**stream, until);
    for (;;) {
        const auto line = co_await lines.next();
        if (!line) co_return login_unknown("Dovecot's auth socket broke off");
        const auto words = base::split(*line, '\t');
        if (words[0] == "VERSION" && (words.size() < 2 || words[1] != "1"))
            co_return login_unknown("Dovecot speaks another version of its protocol");
        if (words.size() < 2 || words[1] != "1") continue;
        LoginAnswer out;
        if (words[0] == "OK") {
            out.kind = LoginAnswer::Kind::Right;
            out.user = user;
            for (const auto word : words)
                if (word.starts_with("user=")) out.user = word.substr(5);
            co_return out;
        }
        if (words[0] == "FAIL") {
            out.kind = LoginAnswer::Kind::Wrong;
            out.why = "Dovecot said no";
            for (const auto word : words) {
                if (word == "temp" || word == "code=temp_fail") out.kind = LoginAnswer::Kind::Unknown;
                if (word.starts_with("reason=")) out.why = base::printable(word.substr(7), 100);
            }
            co_return out;
        }
    }
}

}  // namespace accounts
