#include "commands/dkim_rotate.hpp"

#include "app/options.hpp"
#include "base/text.hpp"
#include "commands/site_loader.hpp"
#include "config/bind.hpp"
#include "dkim/signature.hpp"
#include "dns/zone_text.hpp"
#include "platform/system.hpp"
#include "policy/key_rotation.hpp"
#include "policy/signing_keys.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

namespace commands {
namespace {

using Json = nlohmann::ordered_json;
using policy::Rotation;
using policy::RotationKey;

struct RotateCall {
    std::vector<std::string> domains;
    std::vector<dkim::Algorithm> algorithms;
    policy::SenderOptions sender;
    policy::RotationRules rules;
    std::optional<std::chrono::seconds> if_older;  // begin only when the keys are older
    unsigned rsa_bits = 2048;
    std::uint64_t now = 0;
    bool status = false, json = false, named = false;
};

/// "30d", "12h", "15m", "90" (seconds).
std::optional<std::chrono::seconds> parse_age(std::string text) {
    std::uint64_t unit = 1;
    if (!text.empty())
        for (const auto& [letter, seconds] : {std::pair('s', 1U), {'m', 60U}, {'h', 3600U}, {'d', 86400U}})
            if (text.back() == letter) {
                unit = seconds;
                text.pop_back();
                break;
            }
    const auto number = base::parse_number(text, 100'000'000);
    if (!number) return std::nullopt;
    return std::chrono::seconds(*number * unit);
}

/// What the DNS says of the keys of one domain. Old keys without a file are asked for by name only.
env::Task<policy::PublishedKeys> look(env::Resolver& resolver, Rotation rotation, env::FileSystem& files) {
    constexpr std::uint64_t key_octets_max = 1 << 20;
    policy::PublishedKeys out;
    for (const auto& one : rotation.keys) {
        if (one.path.empty()) {
            const auto name = dns::Name::parse(dkim::key_record_name(one.selector, rotation.domain));
            if (!name) continue;
            const env::DnsAnswer answer = co_await resolver.query(*name, dns::Type::Txt);
            out[one.selector] = answer.temporary() ? dkim::Published::Unknown : dkim::Published::Missing;
            for (const auto& record : answer.records)
                if (const auto* txt = std::get_if<dns::Txt>(&record)) {
                    const auto key = dkim::parse_key_record(txt->joined(), dkim::Algorithm::RsaSha256);
                    out[one.selector] =
                        !key && key.error().revoked ? dkim::Published::Revoked : dkim::Published::Differs;
                }
            continue;
        }
        const auto text = files.read(one.path, key_octets_max);
        const auto key = text ? dkim::PrivateKey::parse(*text) : std::unexpected(std::string("unread"));
        if (key)
            out[one.selector] =
                co_await dkim::look_up_published(resolver, rotation.domain, one.selector, *key);
    }
    co_return out;
}

class Rotator {
 public:
    Rotator(JudgeWorld& world, const RotateCall& call, const KeyOwner& owner)
        : world_(world), call_(call), owner_(owner), folder_(files_, call.sender.key_directory) {}

    env::Task<int> run() {
        int worst = exit_ok;
        Json all = Json::array();
        for (const auto& domain : call_.domains) {
            const int status = co_await one(domain, all);
            worst = std::max(worst, status);
        }
        if (call_.json) print_json(call_.named && all.size() == 1 ? all[0] : all);
        co_return worst;
    }

 private:
    static int failed(const std::string& why) {
        fmt::print(stderr, "postrider dkim: {}\n", why);
        return exit_failed;
    }

    env::Task<int> one(std::string domain, Json& all) {
        auto read = folder_.read(domain);
        if (!read) co_return failed(read.error());
        Rotation state = std::move(*read);
        std::vector<std::string> done;
        if (!call_.status && state.phase == Rotation::Phase::Idle && due(state)) {
            if (const auto begun = begin(state); !begun) co_return failed(begun.error());
            done.push_back("new keys made");
        }
        const auto published = co_await look(world_.resolver(), state, files_);
        const auto step = policy::advance(state, published, call_.now, call_.rules);
        if (!call_.status) {
            done.insert(done.end(), step.done.begin(), step.done.end());
            if (const auto kept = keep(step, state); !kept) co_return failed(kept.error());
            state = step.after;
        }
        // What is left to do is said of the state as it is now.
        const auto next = policy::advance(state, published, call_.now, call_.rules);
        report(state, published, done, next.wanted, all);
        co_return exit_ok;
    }

    bool due(const Rotation& state) const {
        if (!call_.if_older) return true;
        const auto age = static_cast<std::uint64_t>(call_.if_older->count());
        return std::ranges::any_of(state.keys,
                                   [](const auto& k) { return k.role == RotationKey::Role::Active; })
                   ? state.switched + age <= call_.now
                   : true;
    }

    /// New keys on disk first, then the state that names them: a run cut short in between leaves files that
    /// nobody names, and the next takes other names.
    std::expected<void, std::string> begin(Rotation& state) {
        if (const auto made = owner_.make_folder(folder_.path()); !made) return made;
        if (state.keys.empty()) adopt(state);
        std::vector<RotationKey> next;
        for (const auto algorithm : call_.algorithms) {
            const bool rsa = algorithm == dkim::Algorithm::RsaSha256;
            const auto pem = dkim::generate_key_pem(rsa ? call_.rsa_bits : 0);
            const std::string day =
                fmt::format("{:%Y%m%d}", fmt::gmtime(static_cast<std::time_t>(call_.now)));
            constexpr int tries = 100;
            for (int i = 0; i < tries; ++i) {
                const std::string selector =
                    fmt::format("s{}{}{}", day, rsa ? "r" : "e", i == 0 ? "" : std::to_string(i));
                const auto path = folder_.key_path(state.domain, selector);
                const bool used = std::ranges::any_of(
                    state.keys, [&](const auto& key) { return key.selector == selector; });
                if (used || files_.stat(path)) continue;
                if (const auto written = owner_.write_key(path, pem); !written) return written;
                next.push_back({RotationKey::Role::Next, selector, path});
                break;
            }
        }
        if (next.size() != call_.algorithms.size())
            return std::unexpected("no free selector; see " + folder_.path());
        state = policy::announce(std::move(state), std::move(next), call_.now);
        return keep_state(state);
    }

    /// The keys the configuration signs with until now.
    void adopt(Rotation& state) {
        const auto keys = policy::SigningKeys::make(call_.sender, files_);
        if (!keys) return;
        for (const auto& key : keys->keys_for("postmaster@" + state.domain))
            if (key.domain == state.domain && !key.path.empty())
                state.keys.push_back({RotationKey::Role::Active, key.selector, key.path});
    }

    std::expected<void, std::string> keep_state(const Rotation& state) {
        if (const auto kept = folder_.keep(state); !kept) return kept;
        return owner_.give(folder_.state_path(state.domain));
    }

    std::expected<void, std::string> keep(const policy::RotationStep& step, const Rotation& before) {
        if (policy::to_state_text(step.after) == policy::to_state_text(before)) return {};
        if (const auto kept = keep_state(step.after); !kept) return kept;
        for (const auto& path : step.files_to_remove)
            // Keys of the administrator's own, taken over from his configuration, are his to remove.
            if (path.starts_with(folder_.path() + "/")) static_cast<void>(files_.remove(path));
        return {};
    }

    Json key_json(const Rotation& state, const RotationKey& one, const policy::PublishedKeys& published) {
        const auto key = one.path.empty() ? std::unexpected(std::string()) : read_private_key(one.path);
        const auto found = published.find(one.selector);
        Json out{{"selector", one.selector},
                 {"role", policy::to_text(one.role)},
                 {"file", one.path},
                 {"name", dkim::key_record_name(one.selector, state.domain)},
                 {"dns", dkim::to_text(found == published.end() ? dkim::Published::Unknown : found->second)}};
        if (key) {
            out["algorithm"] = dkim::to_text(key->algorithm());
            out["record"] = dkim::key_record_text(*key);
            out["zone"] = fmt::format("{}. IN TXT {}", dkim::key_record_name(one.selector, state.domain),
                                      dns::text_strings(dkim::key_record_text(*key)));
        }
        return out;
    }

    void report(const Rotation& state, const policy::PublishedKeys& published,
                const std::vector<std::string>& done, const std::string& wanted, Json& all) {
        Json keys = Json::array();
        for (const auto& key : state.keys) keys.push_back(key_json(state, key, published));
        if (call_.json) {
            all.push_back({{"domain", state.domain},
                           {"phase", policy::to_text(state.phase)},
                           {"since", state.since},
                           {"done", done},
                           {"wanted", wanted},
                           {"keys", keys}});
            return;
        }
        fmt::print("{}: {}\n", state.domain, policy::to_text(state.phase));
        for (const auto& text : done) fmt::print("  {}\n", text);
        for (const auto& key : keys) {
            fmt::print("  {:<8} {:<14} DNS: {}\n", key["role"].get<std::string>(),
                       key["selector"].get<std::string>(), key["dns"].get<std::string>());
            if (key["role"] == "next" && key["dns"] != "ok" && key.contains("zone"))
                fmt::print("{}\n", key["zone"].get<std::string>());
        }
        fmt::print("  to do: {}\n", wanted);
    }

    JudgeWorld& world_;
    const RotateCall& call_;
    const KeyOwner& owner_;
    platform::PosixFileSystem files_;
    policy::RotationFolder folder_;
};

std::expected<RotateCall, std::string> read_call(const Invocation& invocation, const NamedOptions& options,
                                                 const app::Site& site) {
    RotateCall out;
    config::Diagnostics ignored;
    out.sender = config::bind<policy::SenderOptions>(*site.configuration, ignored);
    if (options.has("directory")) out.sender.key_directory = options.get("directory");
    if (!out.sender.key_directory.starts_with('/'))
        return std::unexpected("dkim_key_directory must be an absolute path");
    const std::string algorithms = options.get("algorithm", "rsa-sha256");
    for (const auto word : base::split_any(algorithms, ", ")) {
        const auto algorithm = parse_key_algorithm(word);
        if (!algorithm) return std::unexpected("--algorithm is rsa-sha256, ed25519-sha256, or both");
        out.algorithms.push_back(*algorithm);
    }
    const auto bits = base::parse_number(options.get("bits", "2048"), 4096);
    if (!bits || *bits < 1024) return std::unexpected("--bits 1024 to 4096");
    out.rsa_bits = static_cast<unsigned>(*bits);
    for (auto [name, field] :
         {std::pair("publish-wait", &out.rules.publish_wait), {"overlap", &out.rules.overlap}}) {
        if (!options.has(name)) continue;
        const auto age = parse_age(options.get(name));
        if (!age) return std::unexpected(fmt::format("--{} is a time such as 12h or 7d", name));
        *field = *age;
    }
    if (options.has("if-older")) {
        out.if_older = parse_age(options.get("if-older"));
        if (!out.if_older) return std::unexpected("--if-older is a time such as 180d");
    }
    const auto now = time_of(options);
    if (!now) return std::unexpected(now.error());
    out.now = *now;
    out.status = options.has("status");
    out.json = invocation.json;
    platform::PosixFileSystem files;
    if (options.rest().size() == 2) {
        const auto name = dns::Name::parse(options.rest()[1]);
        if (!name || name->labels().size() < 2 || name->text().find('/') != std::string::npos)
            return std::unexpected("name a domain");
        out.domains.push_back(name->text());
        out.named = true;
    } else {
        const auto all = policy::RotationFolder(files, out.sender.key_directory).all();
        if (!all) return std::unexpected(all.error());
        for (const auto& one : *all) out.domains.push_back(one.domain);
    }
    return out;
}

}  // namespace

std::optional<dkim::Algorithm> parse_key_algorithm(std::string_view text) {
    if (text == "rsa-sha256" || text == "rsa") return dkim::Algorithm::RsaSha256;
    if (text == "ed25519-sha256" || text == "ed25519") return dkim::Algorithm::Ed25519Sha256;
    return std::nullopt;
}

KeyOwner::KeyOwner(const std::string& directory) {
    if (::geteuid() != 0) return;
    struct stat there{};
    if (::stat((directory + "/main.cf").c_str(), &there) != 0) return;
    const auto site = read_site(directory);
    if (!site) return;
    name_ = program_options(*site).mail_owner;
    platform::PosixUsers users;
    if (const auto user = users.find(name_).value_or(std::nullopt)) ids_.emplace(user->uid, user->gid);
}

std::expected<void, std::string> KeyOwner::give(const std::string& path) const {
    if (ids_ && ::chown(path.c_str(), ids_->first, ids_->second) != 0)
        return std::unexpected(fmt::format("cannot give {} to {}: {}", path, name_, std::strerror(errno)));
    return {};
}

std::expected<void, std::string> KeyOwner::make_folder(const std::string& path) const {
    constexpr mode_t ours_alone = 0700;
    if (::mkdir(path.c_str(), ours_alone) != 0) {
        if (errno == EEXIST) return {};
        return std::unexpected(fmt::format("{}: {}", path, std::strerror(errno)));
    }
    return give(path);
}

std::expected<void, std::string> KeyOwner::write_key(const std::string& path, std::string_view pem) const {
    constexpr std::uint32_t ours_alone = 0600;
    platform::PosixFileSystem files;
    auto file = files.open(path, env::OpenMode::CreateExclusive, ours_alone);
    auto written = file ? (*file)->write(pem) : std::unexpected(file.error());
    if (written) written = (*file)->sync();
    if (!written)
        return std::unexpected(fmt::format("{}: {}{}", path, env::to_text(written.error()),
                                           written.error() == env::FileError::Exists ? " already" : ""));
    return give(path);
}

int dkim_rotate(const Invocation& invocation, const NamedOptions& options) {
    const auto site = read_site(invocation.directory);
    if (!site) return exit_configuration;
    const auto call = read_call(invocation, options, *site);
    if (!call) return usage_error("dkim", call.error());
    const auto world = make_judge_world(options, *site);
    if (!world) return usage_error("dkim", world.error());
    const KeyOwner owner(invocation.directory);
    Rotator rotator(**world, *call, owner);
    return (*world)->run(rotator.run());
}

}  // namespace commands
