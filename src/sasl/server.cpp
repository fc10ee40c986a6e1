#include "sasl/server.hpp"

#include "sasl/bearer.hpp"
#include "sasl/scram_server.hpp"
#include "sasl/server_grammar.hpp"

#include <algorithm>
#include <functional>

namespace sasl {
namespace {

constexpr std::size_t password_octets_max = 1024;

ServerStep check(std::string_view authorize_as, std::string_view user, std::string_view password) {
    auto name = user_name(user);
    auto wanted = authorize_as.empty() ? std::optional<std::string>("") : user_name(authorize_as);
    if (!name || !wanted || password.empty() || password.size() > password_octets_max)
        return malformed_step();
    ServerStep out;
    out.kind = ServerStep::Kind::CheckPassword;
    out.user = std::move(*name);
    out.password = password;  // as it is: who compares knows what was kept (accounts/password.hpp)
    out.authorize_as = std::move(*wanted);
    return out;
}

class Plain : public ServerMechanism {  // RFC 4616
 public:
    std::string_view name() const override { return "PLAIN"; }
    ServerStep start(std::optional<std::string> initial) override {
        return initial ? on_response(*initial) : challenge_step("");
    }
    ServerStep on_response(std::string_view response) override {
        const auto parts = base::split(response, '\0');
        if (parts.size() != 3) return malformed_step();
        return check(parts[0], parts[1], parts[2]);
    }
};

class Login : public ServerMechanism {  // draft-murchison-sasl-login
 public:
    std::string_view name() const override { return "LOGIN"; }
    ServerStep start(std::optional<std::string> initial) override {
        if (initial && !initial->empty()) return on_response(*initial);
        return challenge_step("Username:");
    }
    ServerStep on_response(std::string_view response) override {
        if (response.find('\0') != std::string_view::npos) return malformed_step();
        if (user_) return check("", *user_, response);
        user_ = response;
        return challenge_step("Password:");
    }

 private:
    std::optional<std::string> user_;
};

struct Entry {
    std::string_view name;
    std::unique_ptr<ServerMechanism> (*make)(ServerSetup);
};
template <ScramHash hash, Binding binding>
std::unique_ptr<ServerMechanism> scram(ServerSetup setup) {
    return make_scram_server(hash, binding, std::move(setup));
}
template <BearerForm form>
std::unique_ptr<ServerMechanism> bearer(ServerSetup setup) {
    return make_bearer_server(form, std::move(setup));
}
// Best first: the order they are offered in.
constexpr Entry mechanisms[] = {
    {"SCRAM-SHA-256-PLUS", scram<ScramHash::Sha256, Binding::Plus>},
    {"SCRAM-SHA-256", scram<ScramHash::Sha256, Binding::None>},
    {"SCRAM-SHA-1-PLUS", scram<ScramHash::Sha1, Binding::Plus>},
    {"SCRAM-SHA-1", scram<ScramHash::Sha1, Binding::None>},
    {"PLAIN", [](ServerSetup) -> std::unique_ptr<ServerMechanism> { return std::make_unique<Plain>(); }},
    {"LOGIN", [](ServerSetup) -> std::unique_ptr<ServerMechanism> { return std::make_unique<Login>(); }},
    {"OAUTHBEARER", bearer<BearerForm::Oauthbearer>},
    {"XOAUTH2", bearer<BearerForm::Xoauth2>},
};

}  // namespace

std::vector<std::string> server_mechanisms() {
    std::vector<std::string> out;
    for (const auto& entry : mechanisms) out.emplace_back(entry.name);
    return out;
}

std::unique_ptr<ServerMechanism> make_server(std::string_view name, ServerSetup setup) {
    const auto* entry =
        std::ranges::find_if(mechanisms, [&](const Entry& one) { return base::iequals(one.name, name); });
    return entry != std::end(mechanisms) ? entry->make(std::move(setup)) : nullptr;
}

bool is_bound(std::string_view mechanism) { return base::iends_with(mechanism, "-PLUS"); }
bool is_bearer(std::string_view mechanism) {
    return base::iequals(mechanism, "OAUTHBEARER") || base::iequals(mechanism, "XOAUTH2");
}

}  // namespace sasl
