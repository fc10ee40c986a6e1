#include "app/acme_desk.hpp"

#include "acme/certificate.hpp"
#include "acme/schedule.hpp"
#include "base/base64.hpp"
#include "base/result.hpp"
#include "base/text.hpp"
#include "env/pem.hpp"
#include "platform/openssl_tls.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace app {
namespace {

using nlohmann::json;
using std::chrono::seconds;

constexpr seconds look_at_least_every = std::chrono::hours(1);

struct Prepared {
    acme::Key account_key, certificate_key;
    acme::OrderSettings settings;
    std::string ca_pem;
};

/// Keys, files and the request: all that takes time. Runs on a worker.
std::expected<Prepared, std::string> prepare(env::FileSystem& files, const acme::Options& options,
                                             const acme::Wanted& wanted) {
    acme::CertificateFolder folder(files, options.folder);
    TRY_ASSIGN(const acme::Key account_key, folder.account_key(options.directory_url));
    std::optional<acme::Key> old;
    if (options.reuse_key) {
        TRY_ASSIGN(const auto pem, folder.read(wanted));
        if (pem)
            if (auto key = acme::Key::parse(*pem)) old = std::move(*key);
    }
    Prepared out{account_key, old ? *old : acme::Key::generate(wanted.key_type), {}, {}};
    out.settings.directory_url = options.directory_url;
    out.settings.names = wanted.names;
    for (const auto& contact : options.contacts)
        out.settings.contacts.push_back((contact.starts_with("mailto:") ? "" : "mailto:") + contact);
    if (options.terms_agreed) out.settings.terms = acme::OrderSettings::Terms::Agreed;
    out.settings.challenge = options.challenge;
    out.settings.request_der = acme::certificate_request(out.certificate_key, wanted.names);
    if (!options.ca_file.empty()) {
        TRY_ASSIGN(out.ca_pem, env::read_pem(files, "acme_ca_file", options.ca_file));
    }
    if (options.external_account.empty()) return out;
    TRY_ASSIGN(const std::string text,
               env::read_pem(files, "acme_eab_key_file", options.external_account_key_file));
    const auto key = base::base64url_decode(base::trim(text));
    if (!key || key->empty())
        return std::unexpected(fmt::format("acme_eab_key_file: {} holds no base64url key without padding",
                                           options.external_account_key_file));
    out.settings.external_account = options.external_account;
    out.settings.external_account_key = *key;
    return out;
}

json result_line(const acme::Wanted& wanted, const std::string& problem) {
    json out = json::object();
    out["certificate"] = wanted.id();
    out["names"] = wanted.names;
    out["ok"] = problem.empty();
    if (!problem.empty()) out["error"] = problem;
    return out;
}

}  // namespace

AcmeDesk::AcmeDesk(LoopEnvironment environment, env::Http& http, std::function<void()> obtained)
    : environment_(environment),
      http_(http),
      obtained_(std::move(obtained)),
      challenges_({environment.loop, environment.tls, environment.workers, environment.files}),
      timer_(environment.loop.make_timer()) {}

std::expected<void, std::string> AcmeDesk::use(const Site& site) {
    config::Diagnostics diagnostics;
    auto options = config::bind<acme::Options>(*site.configuration, diagnostics);
    TRY_ASSIGN(auto wanted, acme::wanted_certificates(options));
    options_ = std::move(options);
    wanted_ = std::move(wanted);
    challenges_.use_webroot(options_.webroot);
    timer_->cancel();
    return {};
}

void AcmeDesk::serve(acme::ChallengeType type, std::unique_ptr<env::Listener> listener) {
    const bool http = type == acme::ChallengeType::Http01;
    (http ? listens_http_ : listens_tls_) = true;
    http ? challenges_.serve_http(std::move(listener)) : challenges_.serve_tls(std::move(listener));
}

void AcmeDesk::start() { environment_.loop.spawn(run()); }

void AcmeDesk::stop() {
    stopped_ = true;
    challenges_.close();
    timer_->cancel();
}

double AcmeDesk::dice() {
    constexpr std::uint64_t sides = 1 << 20;
    return static_cast<double>(environment_.random.below(sides)) / static_cast<double>(sides);
}

seconds AcmeDesk::wait_for(const acme::Wanted& wanted) {
    const auto now = environment_.loop.clock().wall();
    const auto until = [&](env::WallTime at) {
        return std::max(seconds(0), std::chrono::ceil<seconds>(at - now));
    };
    const auto attempts = folder().attempts(wanted);
    const std::uint64_t unix_now = env::unix_time(now);
    if (attempts.failures > 0 && attempts.next > unix_now) {
        // Never longer than a week, in case the clock was wrong when it was written.
        constexpr std::uint64_t week = 7 * 86400;
        return seconds(static_cast<seconds::rep>(std::min(attempts.next - unix_now, week)));
    }
    const auto pem = folder().read(wanted);
    const auto facts = pem && *pem
                           ? platform::certificate_facts(**pem)
                           : std::expected<platform::CertificateFacts, std::string>(std::unexpected(""));
    if (!facts) return seconds(0);
    for (const auto& name : wanted.names)
        if (std::ranges::find(facts->names, name) == facts->names.end()) return seconds(0);
    const auto [at, fresh] = dice_.try_emplace(wanted.id(), 0.0);
    if (fresh) at->second = dice();
    return until(acme::renewal_time(facts->not_before, facts->not_after, options_.renew_before, at->second));
}

env::Task<void> AcmeDesk::run() {
    while (!stopped_) {
        seconds wait = look_at_least_every;
        const auto all = wanted_;
        for (const auto& wanted : all) {
            if (wait_for(wanted) == seconds(0) && !busy_) {
                const std::string problem = co_await attempt(wanted);
                if (stopped_) co_return;
            }
            wait = std::min(wait, std::max(wait_for(wanted), seconds(1)));
        }
        const auto deadline = environment_.loop.clock().steady() + wait;
        co_await timer_->wait_until(deadline);
    }
}

env::Task<std::expected<void, acme::OrderFailure>> AcmeDesk::order(acme::Wanted wanted) {
    using Result = std::expected<void, acme::OrderFailure>;
    const bool http = options_.challenge == acme::ChallengeType::Http01;
    if (http ? !listens_http_ && options_.webroot.empty() : !listens_tls_) {
        acme::OrderFailure nobody{
            fmt::format("nothing listens for {}: start Postrider anew, so that it can bind {}{}",
                        to_text(options_.challenge), http ? "acme_http_listen" : "acme_tls_listen",
                        http ? ", or set acme_webroot" : ""),
            seconds(0)};
        co_return Result(std::unexpected(std::move(nobody)));
    }
    auto preparing = [&files = environment_.files, options = options_, wanted] {
        return prepare(files, options, wanted);
    };
    auto prepared = co_await environment_.workers.run(std::move(preparing));
    if (!prepared) {
        acme::OrderFailure failure{prepared.error(), seconds(0)};
        co_return Result(std::unexpected(std::move(failure)));
    }
    const acme::ClientServices services{environment_.loop, http_, challenges_};
    acme::OrderSession session(std::move(prepared->settings), prepared->account_key);
    auto chain = co_await acme::obtain(services, std::move(session), std::move(prepared->ca_pem));
    if (!chain) co_return Result(std::unexpected(std::move(chain.error())));
    auto keeping = [&files = environment_.files, path = options_.folder, wanted,
                    key = prepared->certificate_key, chain = std::move(*chain),
                    now = environment_.loop.clock().wall()]() -> std::expected<void, std::string> {
        TRY(acme::check_chain(chain, key, wanted.names, now));
        return acme::CertificateFolder(files, path).keep(wanted, key, chain);
    };
    auto kept = co_await environment_.workers.run(std::move(keeping));
    if (kept) co_return Result{};
    acme::OrderFailure failure{kept.error(), seconds(0)};
    co_return Result(std::unexpected(std::move(failure)));
}

env::Task<std::string> AcmeDesk::attempt(acme::Wanted wanted) {
    busy_ = true;
    auto done = co_await order(wanted);
    busy_ = false;
    auto attempts = folder().attempts(wanted);
    attempts.last = env::unix_time(environment_.loop.clock().wall());
    const std::string names = fmt::format("{}", fmt::join(wanted.names, ", "));
    std::string problem;
    if (done) {
        attempts.failures = 0;
        attempts.next = 0;
        attempts.error.clear();
        environment_.events.emit(
            base::Note{base::Severity::Info, "acme",
                       fmt::format("obtained an {} certificate for {}", to_text(wanted.key_type), names)});
    } else {
        problem = done.error().why;
        ++attempts.failures;
        const auto delay =
            acme::retry_delay(attempts.failures, options_.retry_delay, done.error().not_before, dice());
        attempts.next = attempts.last + static_cast<std::uint64_t>(delay.count());
        attempts.error = problem;
        environment_.events.emit(base::Note{
            base::Severity::Warning, "acme",
            fmt::format("no new certificate for {}: {}; what is in use stays; next attempt in {} s", names,
                        problem, delay.count())});
    }
    const auto kept = folder().keep_attempts(wanted, attempts);
    if (!kept) environment_.events.emit(base::Note{base::Severity::Warning, "acme", kept.error()});
    if (done) obtained_();
    co_return problem;
}

std::vector<std::string> AcmeDesk::problems() {
    std::vector<std::string> out;
    for (const auto& wanted : wanted_) {
        const auto attempts = folder().attempts(wanted);
        if (attempts.failures > 0)
            out.push_back(fmt::format("acme: {}: {} failures in a row: {}", wanted.id(), attempts.failures,
                                      attempts.error));
    }
    return out;
}

env::Task<std::string> AcmeDesk::renew(std::string which, server::ControlReply& reply) {
    if (wanted_.empty()) co_return std::string("no certificate is asked for: acme_domains is empty");
    const auto all = wanted_;
    bool any = false;
    for (const auto& wanted : all) {
        if (!which.empty() && which != wanted.id() &&
            std::ranges::find(wanted.names, which) == wanted.names.end())
            continue;
        any = true;
        if (busy_) co_return std::string("an order is under way; see the log, and try again in a while");
        const std::string problem = co_await attempt(wanted);
        const json line = result_line(wanted, problem);
        co_await reply.line(line);
    }
    timer_->cancel();
    if (!any) co_return fmt::format("acme_domains has no '{}'", base::printable(which, 100));
    co_return std::string{};
}

void AcmeDesk::add_control_handlers(server::ControlServer& control) {
    control.add("certificates-renew", [this](json request, server::ControlReply& reply) {
        const auto name = request.find("name");
        return renew(name != request.end() && name->is_string() ? name->get<std::string>() : std::string(),
                     reply);
    });
}

}  // namespace app
