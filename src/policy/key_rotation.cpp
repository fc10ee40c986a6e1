#include "policy/key_rotation.hpp"

#include "base/result.hpp"
#include "base/text.hpp"
#include "dns/name.hpp"

#include <algorithm>
#include <fmt/chrono.h>
#include <fmt/format.h>

namespace policy {
namespace {

using Role = RotationKey::Role;
using Phase = Rotation::Phase;

constexpr std::string_view role_words[] = {"active", "next", "old", "retired"};
constexpr std::string_view phase_words[] = {"idle", "announced", "overlap", "retiring"};
constexpr std::string_view state_ending = ".rotation";
constexpr std::uint64_t state_octets_max = 64 << 10;
constexpr std::size_t keys_max = 64;
constexpr std::uint64_t unix_time_max = 1ULL << 40;

template <class E, std::size_t N>
std::optional<E> word_of(std::string_view text, const std::string_view (&words)[N]) {
    const auto* found = std::ranges::find(words, text);
    if (found == std::end(words)) return std::nullopt;
    return static_cast<E>(found - std::begin(words));
}

std::string names_of(const Rotation& rotation, Role role) {
    std::string out;
    for (const auto& key : rotation.keys)
        if (key.role == role)
            out += (out.empty() ? "" : ", ") + dkim::key_record_name(key.selector, rotation.domain);
    return out;
}

bool has(const Rotation& rotation, Role role) {
    return std::ranges::any_of(rotation.keys, [&](const auto& key) { return key.role == role; });
}

dkim::Published seen(const PublishedKeys& published, const RotationKey& key) {
    const auto found = published.find(key.selector);
    return found == published.end() ? dkim::Published::Unknown : found->second;
}

std::string moment(std::uint64_t unix_time) {
    return fmt::format("{:%Y-%m-%d %H:%M} UTC", fmt::gmtime(static_cast<std::time_t>(unix_time)));
}

/// Announced → Overlap (or Idle, when nothing signed before).
void look_for_next(RotationStep& step, const PublishedKeys& published, std::uint64_t now,
                   const RotationRules& rules) {
    Rotation& state = step.after;
    bool all = true, unknown = false;
    for (const auto& key : state.keys) {
        if (key.role != Role::Next) continue;
        all = all && seen(published, key) == dkim::Published::Matches;
        unknown = unknown || seen(published, key) == dkim::Published::Unknown;
    }
    if (!all) {
        if (!unknown) state.seen_since = 0;  // an answer that did not come says nothing
        step.wanted = unknown ? "the DNS did not answer; it is asked again next time"
                              : "publish " + names_of(state, Role::Next);
        return;
    }
    if (state.seen_since == 0) {
        state.seen_since = now;
        step.done.push_back("seen in the DNS: " + names_of(state, Role::Next));
    }
    const auto usable = state.seen_since + static_cast<std::uint64_t>(rules.publish_wait.count());
    if (now < usable) {
        step.wanted = "the new keys are used from " + moment(usable) + " on, when every name server has them";
        return;
    }
    step.done.push_back("signs now: " + names_of(state, Role::Next));
    const bool before = has(state, Role::Active);
    for (auto& key : state.keys) {
        if (key.role == Role::Active) key.role = Role::Old;
        if (key.role == Role::Next) key.role = Role::Active;
    }
    state.phase = before ? Phase::Overlap : Phase::Idle;
    state.since = state.switched = now;
    state.seen_since = 0;
}

/// Overlap → Retiring.
void wait_for_mail_under_way(RotationStep& step, std::uint64_t now, const RotationRules& rules) {
    Rotation& state = step.after;
    const auto until = state.since + static_cast<std::uint64_t>(rules.overlap.count());
    if (now < until) {
        step.wanted = fmt::format("leave {} published until {}: mail under way", names_of(state, Role::Old),
                                  moment(until));
        return;
    }
    for (auto& key : state.keys) {
        if (key.role != Role::Old) continue;
        key.role = Role::Retired;
        if (!key.path.empty()) step.files_to_remove.push_back(std::exchange(key.path, {}));
    }
    step.done.push_back("no longer needed: " + names_of(state, Role::Retired));
    state.phase = Phase::Retiring;
    state.since = now;
}

/// Retiring → Idle.
void look_for_old(RotationStep& step, const PublishedKeys& published) {
    Rotation& state = step.after;
    const bool gone = std::ranges::all_of(state.keys, [&](const auto& key) {
        const auto there = seen(published, key);
        return key.role != Role::Retired || there == dkim::Published::Missing ||
               there == dkim::Published::Revoked;
    });
    if (!gone) {
        step.wanted = fmt::format("remove {} from the DNS, or publish it with an empty p=",
                                  names_of(state, Role::Retired));
        return;
    }
    step.done.push_back("removed from the DNS: " + names_of(state, Role::Retired));
    std::erase_if(state.keys, [](const auto& key) { return key.role == Role::Retired; });
    state.phase = Phase::Idle;
    state.since = state.switched;
}

}  // namespace

std::string_view to_text(RotationKey::Role role) { return role_words[static_cast<std::size_t>(role)]; }
std::string_view to_text(Rotation::Phase phase) { return phase_words[static_cast<std::size_t>(phase)]; }

Rotation announce(Rotation rotation, std::vector<RotationKey> next, std::uint64_t now) {
    for (auto& key : next) {
        key.role = Role::Next;
        rotation.keys.push_back(std::move(key));
    }
    rotation.phase = Phase::Announced;
    rotation.since = now;
    rotation.seen_since = 0;
    return rotation;
}

RotationStep advance(const Rotation& rotation, const PublishedKeys& published, std::uint64_t now,
                     const RotationRules& rules) {
    RotationStep step;
    step.after = rotation;
    switch (rotation.phase) {
        case Phase::Idle:
            step.wanted = "nothing";
            break;
        case Phase::Announced:
            look_for_next(step, published, now, rules);
            break;
        case Phase::Overlap:
            wait_for_mail_under_way(step, now, rules);
            break;
        case Phase::Retiring:
            look_for_old(step, published);
            break;
    }
    return step;
}

std::string to_state_text(const Rotation& rotation) {
    std::string out = fmt::format(
        "# Which DKIM keys sign for {0}; kept by postrider dkim rotate.\n"
        "domain {0}\nphase {1}\nsince {2}\nseen {3}\nswitched {4}\n",
        rotation.domain, to_text(rotation.phase), rotation.since, rotation.seen_since, rotation.switched);
    for (const auto& key : rotation.keys)
        out +=
            fmt::format("key {} {} {}\n", to_text(key.role), key.selector, key.path.empty() ? "-" : key.path);
    return out;
}

std::expected<Rotation, std::string> parse_rotation(std::string_view text) {
    Rotation out;
    int number = 0;
    for (const auto line : base::split(text, '\n')) {
        ++number;
        const auto words = base::split_any(line, " \t\r");
        if (words.empty() || words[0].starts_with('#')) continue;
        const auto wrong = std::unexpected(fmt::format("line {} is not understood", number));
        if (words[0] == "key") {
            const auto role = words.size() >= 4 ? word_of<Role>(words[1], role_words) : std::nullopt;
            if (!role || !dns::Name::parse(words[2]) || out.keys.size() >= keys_max) return wrong;
            // The path is the rest of the line: it may hold spaces.
            const std::string path(
                base::trim(line.substr(static_cast<std::size_t>(words[3].data() - line.data()))));
            out.keys.push_back({*role, std::string(words[2]), path == "-" ? "" : path});
            continue;
        }
        if (words.size() != 2) return wrong;
        if (words[0] == "domain") {
            const auto name = dns::Name::parse(words[1]);
            if (!name || name->is_root()) return wrong;
            out.domain = name->text();
        } else if (words[0] == "phase") {
            const auto phase = word_of<Phase>(words[1], phase_words);
            if (!phase) return wrong;
            out.phase = *phase;
        } else if (words[0] == "since" || words[0] == "seen" || words[0] == "switched") {
            const auto value = base::parse_number(words[1], unix_time_max);
            if (!value) return wrong;
            (words[0] == "since" ? out.since : words[0] == "seen" ? out.seen_since : out.switched) = *value;
        } else {
            return wrong;
        }
    }
    if (out.domain.empty()) return std::unexpected("no domain is named");
    return out;
}

std::vector<std::string> RotationFolder::state_files() const {
    std::vector<std::string> out;
    if (folder_.empty()) return out;
    const auto names = files_.list(folder_);
    if (!names) return out;
    for (const auto& name : *names)
        if (name.ends_with(state_ending) && !name.starts_with('.')) out.push_back(folder_ + "/" + name);
    return out;
}

std::expected<Rotation, std::string> RotationFolder::read(const std::string& domain) const {
    Rotation none;
    none.domain = domain;
    const auto path = state_path(domain);
    const auto text = files_.read(path, state_octets_max);
    if (!text && text.error() == env::FileError::NotFound) return none;
    if (!text) return std::unexpected(fmt::format("{}: {}", path, env::to_text(text.error())));
    auto out = parse_rotation(*text);
    if (!out) return std::unexpected(fmt::format("{}: {}", path, out.error()));
    return out;
}

std::expected<std::vector<Rotation>, std::string> RotationFolder::all() const {
    std::vector<Rotation> out;
    for (const auto& path : state_files()) {
        const auto text = files_.read(path, state_octets_max);
        if (!text) return std::unexpected(fmt::format("{}: {}", path, env::to_text(text.error())));
        auto one = parse_rotation(*text);
        if (!one) return std::unexpected(fmt::format("{}: {}", path, one.error()));
        out.push_back(std::move(*one));
    }
    return out;
}

std::expected<void, env::FileError> RotationFolder::keep_key(const std::string& path,
                                                             std::string_view pem) const {
    auto file = files_.open(path, env::OpenMode::CreateExclusive, 0600);
    if (!file) return std::unexpected(file.error());
    TRY((*file)->write(pem));
    TRY((*file)->sync());
    return files_.sync_directory(folder_);
}

std::expected<void, std::string> RotationFolder::keep(const Rotation& rotation) const {
    const std::string path = state_path(rotation.domain);
    const std::string beside = folder_ + "/." + rotation.domain + ".new";
    static_cast<void>(files_.remove(beside));  // of a run that was cut short
    const auto write = [&]() -> std::expected<void, env::FileError> {
        auto file = files_.open(beside, env::OpenMode::CreateExclusive, 0600);
        if (!file) return std::unexpected(file.error());
        TRY((*file)->write(to_state_text(rotation)));
        TRY((*file)->sync());
        TRY(files_.rename(beside, path));
        return files_.sync_directory(folder_);
    };
    if (const auto done = write(); !done)
        return std::unexpected(fmt::format("{}: {}", path, env::to_text(done.error())));
    return {};
}

}  // namespace policy
