#include "delivery/local_transport.hpp"

#include "base/result.hpp"
#include "base/text.hpp"
#include "delivery/delivered_to.hpp"
#include "delivery/virtual_transport.hpp"
#include "mail/received.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace delivery {

using Kind = queue::RecipientResult::Kind;

struct LocalTransport::Expansion {
    queue::DeliveryRequest& request;
    const mail::Recipient& recipient;
    std::string prefix;                    // Return-Path and its like, on top of each copy
    mail::ReversePath sender;              // an owner- alias replaces the message's own
    std::vector<mail::Address> elsewhere;  // goes on as one new message
    std::vector<Result> results;
    std::set<std::string> aliases, users;  // expanded, delivered to
    std::set<std::string> forwarding;  // users whose .forward was read: their own name in it is the mailbox
    std::size_t targets = 0;

    void add(mail::Status status, std::string text) {
        results.push_back(recipient_result({status, std::move(text)}, "local"));
    }
};

namespace {

constexpr int depth_max = 100;

// ${name}, $name, ${name?text} and ${name:text} with the few names a forward_path knows.
std::string fill(std::string_view text, const std::vector<std::pair<std::string_view, std::string>>& values) {
    std::string out;
    const auto value_of = [&](std::string_view name) -> std::string {
        const auto at = std::ranges::find(values, name, [](const auto& v) { return v.first; });
        return at == values.end() ? "" : at->second;
    };
    for (std::size_t i = 0; i < text.size();) {
        if (text[i] != '$') {
            out += text[i++];
            continue;
        }
        const bool braces = i + 1 < text.size() && text[i + 1] == '{';
        const std::size_t begin = i + (braces ? 2 : 1);
        std::size_t end = begin;
        while (end < text.size() && (base::is_alnum(text[end]) || text[end] == '_')) ++end;
        const std::string value = value_of(text.substr(begin, end - begin));
        if (!braces) {
            out += value;
            i = end;
            continue;
        }
        const auto close = text.find('}', end);
        if (close == std::string_view::npos) break;
        const std::string_view rest = text.substr(end, close - end);
        if (rest.empty())
            out += value;
        else if (rest[0] == '?' && !value.empty())
            out += rest.substr(1);
        else if (rest[0] == ':' && value.empty())
            out += rest.substr(1);
        i = close + 1;
    }
    return out;
}

}  // namespace

std::expected<std::unique_ptr<LocalTransport>, std::string> LocalTransport::make(LocalOptions options,
                                                                                 Services services) {
    std::unique_ptr<LocalTransport> out(new LocalTransport(std::move(options), std::move(services)));
    TRY(check_junk_folder(out->options_.junk_folder));
    auto list = out->services_.factory.open_list(out->options_.alias_maps, tables::SourceFormat::Alias);
    if (!list) return std::unexpected("alias_maps: " + list.error().text);
    out->aliases_ = std::move(*list);
    return out;
}

std::optional<LocalTransport::Privileges> LocalTransport::default_privileges() const {
    const auto user = services_.users.find(options_.default_privileges);
    if (!user || !*user || (*user)->uid == 0) return std::nullopt;
    return Privileges{{(*user)->uid, (*user)->gid, (*user)->name}, "alias", "", ""};
}

env::Task<queue::DeliveryReport> LocalTransport::deliver(queue::DeliveryRequest request) {
    queue::DeliveryReport report;
    for (const auto& recipient : request.recipients) {
        Result one = co_await deliver_one(request, recipient);
        report.recipients.push_back(std::move(one));
    }
    co_return report;
}

env::Task<LocalTransport::Result> LocalTransport::deliver_one(queue::DeliveryRequest& request,
                                                              const mail::Recipient& recipient) {
    Expansion state{request,
                    recipient,
                    delivery_headers(*request.envelope, recipient),
                    request.envelope->sender,
                    {},
                    {},
                    {},
                    {},
                    {},
                    0};
    const bool looping = co_await was_delivered_to(*request.content, recipient.address.text());
    if (looping) {
        state.add({5, 4, 6}, "mail forwarding loop for " + base::printable(recipient.address.text(), 300));
    } else {
        co_await expand_name(state, base::lower(recipient.address.local_part), 0);
        if (!state.elsewhere.empty()) co_await forward(state);
    }
    // The worst of them is the recipient's result: one that must be tried again is not lost.
    if (state.results.empty()) state.add({5, 1, 1}, "the alias has no target");
    const auto rank = [](const Result& r) {
        return r.kind == Kind::Deferred ? 2 : r.kind == Kind::Failed ? 1 : 0;
    };
    Result worst = *std::ranges::max_element(state.results, {}, rank);
    if (state.results.size() > 1 && worst.kind == Kind::Delivered) worst.kind = Kind::Expanded;
    co_return worst;
}

env::Task<std::optional<std::string>> LocalTransport::alias(Expansion& state, std::string name) {
    auto found = co_await aliases_.lookup(name);
    if (!found) {
        state.add({4, 3, 0}, "alias lookup failed: " + found.error().text);
        co_return std::nullopt;
    }
    co_return std::move(*found);
}

env::Task<void> LocalTransport::expand_name(Expansion& state, std::string name, int depth) {
    if (depth > depth_max || ++state.targets > options_.expansion_limit) {
        state.add({5, 4, 6},
                  "alias expansion is too large or goes in a circle at " + base::printable(name, 100));
        co_return;
    }
    auto [bare, extension] = routing::split_extension(name, options_.recipient_delimiter);
    std::vector<std::string> keys{name};
    if (bare != name) keys.push_back(bare);
    for (const auto& key : keys) {
        if (aliases_.empty()) break;
        const auto results_before = state.results.size();
        auto value = co_await alias(state, key);
        if (state.results.size() > results_before) co_return;
        if (!value) continue;
        if (!state.aliases.insert(key).second) continue;  // its own target: the mailbox of that name
        auto owner = co_await alias(state, "owner-" + key);
        if (owner && !state.sender.is_null())
            state.sender = mail::ReversePath(mail::Address{"owner-" + key, options_.my_origin});
        const auto privileges = default_privileges();
        if (!privileges) {
            state.add({4, 3, 5},
                      fmt::format("default_privs = {}: no such user, or root", options_.default_privileges));
            co_return;
        }
        co_await expand_items(state, std::move(*value), *privileges, depth + 1);
        co_return;
    }
    co_await deliver_user(state, std::move(name), true, depth);
}

env::Task<void> LocalTransport::expand_items(Expansion& state, std::string text, Privileges as, int depth) {
    const AliasItems parsed = parse_alias_value(text);
    for (const auto& wrong : parsed.wrong)
        services_.events.note(base::Severity::Warning, "local",
                              fmt::format("{}: '{}' in {} is no address, file, command or :include:",
                                          state.request.id.text(), base::printable(wrong, 200), as.origin));
    const auto allowed = [&](const std::vector<std::string>& list) {
        return std::ranges::find(list, as.origin) != list.end();
    };
    for (const auto& item : parsed.items) {
        if (const auto* command = std::get_if<AliasCommand>(&item)) {
            if (allowed(options_.commands_from))
                co_await run_command(state, command->command, as);
            else
                state.add({5, 7, 0},
                          "commands are not allowed in " + as.origin + " (allow_mail_to_commands)");
        } else if (const auto* file = std::get_if<AliasFile>(&item)) {
            if (allowed(options_.files_from))
                co_await deliver_file(state, file->path, as.as);
            else
                state.add({5, 7, 0}, "files are not allowed in " + as.origin + " (allow_mail_to_files)");
        } else if (const auto* include = std::get_if<AliasInclude>(&item)) {
            auto list = co_await services_.agent.read_file(as.as, include->path);
            if (!list)
                state.add({4, 2, 4}, list.error());
            else if (!*list)
                state.add({4, 2, 4}, ":include: " + include->path + " does not exist");
            else if (depth > depth_max)
                state.add({5, 4, 6}, ":include: files go in a circle");
            else {
                Privileges inner = as;
                inner.origin = "include";
                co_await expand_items(state, std::move(**list), std::move(inner), depth + 1);
            }
        } else {
            const auto target = std::get<AliasAddress>(item);
            auto meaning = co_await services_.routing.classify(target.address.domain);
            if (!meaning)
                state.add({4, 3, 0}, "address lookup failed: " + meaning.error().text);
            else if (*meaning != routing::AddressClass::Local)
                state.elsewhere.push_back(target.address);
            else if (target.final)
                co_await deliver_user(state, base::lower(target.address.local_part), false, depth);
            else
                co_await expand_name(state, base::lower(target.address.local_part), depth + 1);
        }
    }
}

env::Task<void> LocalTransport::deliver_user(Expansion& state, std::string name, bool use_forward,
                                             int depth) {
    auto [bare, extension] = routing::split_extension(name, options_.recipient_delimiter);
    auto user = services_.users.find(name);
    if (user && !*user && bare != name)
        user = services_.users.find(bare);
    else
        extension.clear();
    if (!user) {
        state.add({4, 3, 0}, "user lookup failed");
        co_return;
    }
    if (!*user) {
        if (!options_.fallback_transport.empty()) {
            co_await pass_on(state, options_.fallback_transport);
        } else if (!options_.luser_relay.empty() && depth == 0) {
            const std::string relay =
                fill(options_.luser_relay, {{"user", name},
                                            {"local", state.recipient.address.local_part},
                                            {"recipient", state.recipient.address.text()},
                                            {"extension", extension}});
            const auto privileges = default_privileges();
            if (privileges) co_await expand_items(state, relay, *privileges, depth + 1);
        } else {
            state.add({5, 1, 1}, "unknown user: \"" + base::printable(name, 300) + "\"");
        }
        co_return;
    }
    const env::UnixUser found = std::move(**user);
    if (!state.users.insert(found.name).second) co_return;  // one copy for each user
    const Credentials as{found.uid, found.gid, found.name};
    const std::string plain_extension = extension.empty() ? "" : extension.substr(1);
    if (use_forward && !state.forwarding.contains(found.name) && found.uid != 0 &&
        services_.agent.can_deliver_as(found.uid)) {
        std::string last;
        for (const auto& pattern : options_.forward_path) {
            const std::string path = fill(pattern, {{"home", found.home},
                                                    {"user", found.name},
                                                    {"local", name},
                                                    {"shell", found.shell},
                                                    {"recipient_delimiter", extension.substr(0, 1)},
                                                    {"extension", plain_extension}});
            if (path == last || !path.starts_with('/')) continue;
            last = path;
            auto text = co_await services_.agent.read_file(as, path);
            if (!text) {
                services_.events.note(
                    base::Severity::Warning, "local",
                    fmt::format("{}: {}; delivered to the mailbox", state.request.id.text(), text.error()));
                break;
            }
            if (!*text || base::trim(**text).empty()) continue;
            state.users.erase(found.name);
            state.forwarding.insert(found.name);
            const auto before = state.results.size() + state.elsewhere.size();
            Privileges own_power{as, "forward", found.home, plain_extension};
            co_await expand_items(state, std::move(**text), std::move(own_power), depth + 1);
            if (state.results.size() + state.elsewhere.size() == before) {
                state.users.insert(found.name);
                co_await deliver_mailbox(state, found, plain_extension);
            }
            co_return;
        }
    }
    co_await deliver_mailbox(state, found, plain_extension);
}

env::Task<void> LocalTransport::deliver_mailbox(Expansion& state, env::UnixUser user, std::string extension) {
    if (!options_.mailbox_transport.empty()) {
        co_await pass_on(state, options_.mailbox_transport);
        co_return;
    }
    const Credentials as{user.uid, user.gid, user.name};
    if (!options_.mailbox_command.empty()) {
        Privileges own_power{as, "forward", user.home, std::move(extension)};
        co_await run_command(state, options_.mailbox_command, std::move(own_power));
        co_return;
    }
    std::string path;
    if (!options_.home_mailbox.empty())
        path = user.home + "/" + options_.home_mailbox;
    else
        path = (options_.spool_directory.ends_with('/') ? options_.spool_directory + user.name + "/"
                                                        : options_.spool_directory + "/" + user.name);
    path = mailbox_folder(std::move(path), *state.request.envelope, options_.junk_folder);
    co_await deliver_file(state, std::move(path), as);
}

env::Task<void> LocalTransport::deliver_file(Expansion& state, std::string path, Credentials as) {
    AgentJob job;
    job.as = as;
    const std::string sender = state.sender.is_null() ? "MAILER-DAEMON" : state.sender.text();
    if (path.ends_with('/'))
        job.what = MaildirJob{path, state.prefix, true};
    else
        job.what =
            MboxJob{path, base::printable(sender, 300), state.prefix, options_.locks, options_.mailbox_limit};
    state.request.content->rewind();
    AgentResult done = co_await services_.agent.run(std::move(job), *state.request.content);
    state.add(done.status, std::move(done.text));
}

env::Task<void> LocalTransport::run_command(Expansion& state, std::string command, Privileges as) {
    CommandJob what;
    what.shell_command = std::move(command);
    what.prefix = state.prefix;
    what.directory = as.home.empty() ? "/" : as.home;
    what.time_limit_seconds = static_cast<std::uint64_t>(options_.command_time_limit.count());
    const auto& to = state.recipient.address;
    what.environment = {{"SENDER", state.sender.text()},
                        {"RECIPIENT", to.text()},
                        {"ORIGINAL_RECIPIENT", state.recipient.original.text()},
                        {"LOCAL", to.local_part},
                        {"DOMAIN", to.domain},
                        {"CLIENT_ADDRESS", state.request.envelope->origin.client_address},
                        {"CLIENT_HELO", state.request.envelope->origin.helo},
                        {"CLIENT_HOSTNAME", state.request.envelope->origin.client_name},
                        {"CLIENT_PROTOCOL", state.request.envelope->origin.protocol},
                        {"SASL_USERNAME", state.request.envelope->origin.sasl_username}};
    if (!as.home.empty()) {
        what.environment.emplace_back("USER", as.as.user_name);
        what.environment.emplace_back("LOGNAME", as.as.user_name);
        what.environment.emplace_back("HOME", as.home);
        what.environment.emplace_back("EXTENSION", as.extension);
    }
    AgentJob job;
    job.as = std::move(as.as);
    job.what = std::move(what);
    state.request.content->rewind();
    AgentResult done = co_await services_.agent.run(std::move(job), *state.request.content);
    state.add(done.status, std::move(done.text));
}

/// mailbox_transport, fallback_transport: "lmtp:unix:private/dovecot-lmtp".
env::Task<void> LocalTransport::pass_on(Expansion& state, std::string destination) {
    const auto colon = destination.find(':');
    const std::string name = destination.substr(0, colon);
    queue::Transport* other = services_.transport(name);
    if (!other || other == this) {
        state.add({4, 3, 5},
                  fmt::format("mail transport {} is not known: mend mailbox_transport or fallback_transport",
                              name));
        co_return;
    }
    /// The content stays ours: the transport gets a view of it.
    class View : public queue::ContentReader {
     public:
        explicit View(queue::ContentReader& inner) : inner_(inner) {}
        env::Task<std::expected<std::string, std::string>> next() override { return inner_.next(); }
        std::uint64_t size() const override { return inner_.size(); }
        void rewind() override { inner_.rewind(); }

     private:
        queue::ContentReader& inner_;
    };
    queue::DeliveryRequest request;
    request.id = state.request.id;
    request.envelope = state.request.envelope;
    request.recipients = {state.recipient};
    request.transport = name;
    request.next_hop = colon == std::string::npos ? "" : destination.substr(colon + 1);
    state.request.content->rewind();
    request.content = std::make_unique<View>(*state.request.content);
    request.arrived = state.request.arrived;
    request.attempt = state.request.attempt;
    queue::DeliveryReport report = co_await other->deliver(std::move(request));
    state.results.push_back(std::move(report.recipients.front()));
}

env::Task<void> LocalTransport::forward(Expansion& state) {
    const auto later = [&](std::string_view why) {
        state.add({4, 3, 0}, fmt::format("cannot forward: {}", why));
    };
    auto message = services_.intake.begin();
    if (!message) {
        later("the queue takes no mail now");
        co_return;
    }
    state.request.content->rewind();
    for (;;) {
        auto piece = co_await state.request.content->next();
        if (!piece) {
            later(piece.error());
            co_return;
        }
        if (piece->empty()) break;
        auto kept = co_await (*message)->append(*piece);
        if (!kept) {
            later("the queue cannot be written");
            co_return;
        }
    }
    mail::Envelope envelope = *state.request.envelope;
    envelope.sender = state.sender;
    envelope.recipients.clear();
    std::set<std::string> seen;
    for (auto& address : state.elsewhere) {
        if (!seen.insert(address.key()).second) continue;
        mail::Recipient copy = state.recipient;
        copy.address = std::move(address);
        copy.original = copy.address;
        envelope.recipients.push_back(std::move(copy));
    }
    auto expanded = co_await services_.routing.expand(std::move(envelope));
    if (!expanded) {
        later(expanded.error());
        co_return;
    }
    const auto now = services_.loop.clock().wall();
    const std::string id = (*message)->id().text();
    std::string prepend = fmt::format(
        "Received: by {} ({})\r\n\tid {}; {}\r\nDelivered-To: {}\r\n", options_.host_name, options_.mail_name,
        id, mail::format_date(now, services_.loop.clock().zone_offset(now)), state.recipient.address.text());
    auto receipt = co_await (*message)->commit(std::move(*expanded), std::move(prepend));
    if (!receipt) {
        later("the queue cannot be written");
        co_return;
    }
    state.add({2, 0, 0}, "forwarded as " + id);
    state.results.back().dsn_passed_on = true;
}

}  // namespace delivery
