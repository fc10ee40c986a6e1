#include "sasl/scram_client.hpp"

#include "base/base64.hpp"
#include "base/text.hpp"
#include "sasl/prepare.hpp"

#include <fmt/format.h>

namespace sasl {
namespace {

class ScramClient : public ClientMechanism {
 public:
    ScramClient(ScramHash hash, const Credentials& credentials, std::string nonce, ScramBinding binding)
        : hash_(hash),
          binding_(std::move(binding)),
          password_(prepared_or_same(credentials.password)),
          nonce_(std::move(nonce)) {
        header_ = binding_.flag == Gs2Header::Flag::Bound        ? fmt::format("p={},,", binding_.type)
                  : binding_.flag == Gs2Header::Flag::NotOffered ? "y,,"
                                                                 : "n,,";
        first_bare_ = fmt::format("n={},r={}", escape_name(prepared_or_same(credentials.user)), nonce_);
    }
    std::string_view name() const override {
        return scram_name(hash_, binding_.flag == Gs2Header::Flag::Bound ? Binding::Plus : Binding::None);
    }
    std::optional<std::string> initial() override { return header_ + first_bare_; }
    std::expected<std::string, std::string> respond(std::string_view challenge) override {
        if (state_ == State::First) return on_server_first(challenge);
        if (state_ != State::Final) return std::unexpected("the server asks too much");
        const auto proof = attribute(challenge, 'v');
        const auto octets = proof ? base::base64_decode(*proof) : std::nullopt;
        if (const auto error = attribute(challenge, 'e'))
            return std::unexpected("the server says " + base::printable(*error, 100));
        if (!octets || !equal_in_constant_time(*octets, server_signature_))
            return std::unexpected("the server does not know the password: it is not the one we want");
        state_ = State::Done;
        return "";
    }
    bool satisfied() const override { return state_ == State::Done; }

 private:
    std::expected<std::string, std::string> on_server_first(std::string_view challenge) {
        const auto nonce = attribute(challenge, 'r'), salt = attribute(challenge, 's'),
                   iterations = attribute(challenge, 'i');
        const auto salt_octets = salt ? base::base64_decode(*salt) : std::nullopt;
        const auto count = iterations ? base::parse_number(*iterations, scram_iterations_max) : std::nullopt;
        if (!challenge.starts_with("r=") || !nonce || !nonce->starts_with(nonce_) ||
            nonce->size() == nonce_.size() || !salt_octets || salt_octets->empty() || !count ||
            *count < scram_iterations_min)
            return std::unexpected("the server's SCRAM challenge is malformed or too weak");
        const std::string without_proof =
            fmt::format("c={},r={}", base::base64_encode(header_ + binding_.octets), *nonce);
        const auto proof = client_proof(hash_, password_, *salt_octets, static_cast<std::uint32_t>(*count),
                                        fmt::format("{},{},{}", first_bare_, challenge, without_proof));
        server_signature_ = proof.server_signature;
        state_ = State::Final;
        return fmt::format("{},p={}", without_proof, base::base64_encode(proof.client_proof));
    }

    enum class State { First, Final, Done } state_ = State::First;
    ScramHash hash_;
    ScramBinding binding_;
    std::string password_, nonce_, header_, first_bare_, server_signature_;
};

}  // namespace

std::unique_ptr<ClientMechanism> make_scram_client(ScramHash hash, const Credentials& credentials,
                                                   std::string nonce, ScramBinding binding) {
    return std::make_unique<ScramClient>(hash, credentials, std::move(nonce), std::move(binding));
}

}  // namespace sasl
