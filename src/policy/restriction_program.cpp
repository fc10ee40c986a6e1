// Restriction lists as programs (restriction.hpp): compiled word by word, run step by step.
#include "base/text.hpp"
#include "config/values.hpp"
#include "policy/restriction_table.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace policy {
namespace {

using Task = env::Task<Outcome>;

// Words that change what others do; the registry has the rest.
Task run_class(Context& context, const Step& step) {
    constexpr int depth_max = 10;
    const auto found = context.classes.find(step.name);
    if (found == context.classes.end() || context.depth >= depth_max) co_return Outcome{};
    ++context.depth;
    Outcome out = co_await evaluate(context, *found->second);
    --context.depth;
    co_return out;
}
Task run_warn_if_reject(Context& context, const Step&) {
    context.warn_only = true;
    co_return Outcome{};
}
mail::ReplyText try_again_later(const Context& context) {
    return {450,
            {4, 7, 1},
            fmt::format("<{}>: {} rejected: Try again later", stage_shown(context), stage_word(context))};
}
Task run_defer_if_permit(Context& context, const Step&) {
    context.defer_if_permit = try_again_later(context);
    co_return Outcome{};
}
Task run_defer_if_reject(Context& context, const Step&) {
    context.defer_if_reject = try_again_later(context);
    co_return Outcome{};
}

/// The whole registry.
constexpr std::span<const Entry> (*registries[])() = {plain_restrictions, dns_restrictions,
                                                      login_restrictions};

std::string nearest(std::string_view word) {
    constexpr std::size_t distance_max = 4;
    std::string best;
    std::size_t distance = distance_max + 1;
    const auto look = [&](const Entry& entry) {
        const auto d = config::edit_distance(word, entry.name, distance_max);
        if (d >= distance) return;
        distance = d;
        best = entry.name;
    };
    for (const auto registry : registries) std::ranges::for_each(registry(), look);
    return best;
}

std::string_view needed_by(Argument argument) {
    switch (argument) {
        case Argument::Table:
            return "a table, type:name";
        case Argument::Domain:
            return "a domain";
        case Argument::Service:
            return "a policy server, inet:ADDRESS:PORT or unix:PATH";
        case Argument::Time:
            return "a time";
        case Argument::None:
            break;
    }
    return "nothing";
}

/// What step.argument means; the text: what is wrong with it.
std::string read_argument(Argument argument, Step& step, tables::Factory& factory,
                          const PolicyOptions& options) {
    if (argument == Argument::Table) {
        auto table = factory.open(step.argument);
        if (!table) return table.error().text;
        step.table = std::move(*table);
    } else if (argument == Argument::Service) {
        auto service = parse_policy_service(step.argument, options);
        if (!service) return service.error();
        step.service = std::make_shared<const PolicyService>(std::move(*service));
    } else if (argument == Argument::Time) {
        if (!config::parse_time(step.argument, 's'))
            return fmt::format("sleep: '{}' is no time", step.argument);
    }
    return {};
}

}  // namespace

const Entry* find_entry(std::string_view name) {
    for (const auto registry : registries) {
        const auto entries = registry();
        const auto at = std::ranges::find(entries, name, &Entry::name);
        if (at != entries.end()) return &*at;
    }
    return nullptr;
}

std::expected<std::shared_ptr<const Program>, std::string> compile(std::string_view what,
                                                                   const std::string& text,
                                                                   tables::Factory& factory,
                                                                   const PolicyOptions& options) {
    const auto& classes = options.restriction_classes;
    auto out = std::make_shared<Program>();
    const auto words = config::split_list(text);
    for (std::size_t i = 0; i < words.size(); ++i) {
        Step step;
        step.name = base::lower(words[i]);
        if (std::ranges::find(classes, words[i]) != classes.end()) {
            step.name = words[i];
            step.run = run_class;
        } else if (step.name == "warn_if_reject")
            step.run = run_warn_if_reject;
        else if (step.name == "defer_if_permit")
            step.run = run_defer_if_permit;
        else if (step.name == "defer_if_reject")
            step.run = run_defer_if_reject;
        else if (words[i].find(':') != std::string::npos) {
            // A bare table is check_<list>_access, as in old configurations.
            const std::string_view implied =
                what.find("client") != std::string_view::npos   ? "check_client_access"
                : what.find("helo") != std::string_view::npos   ? "check_helo_access"
                : what.find("sender") != std::string_view::npos ? "check_sender_access"
                : what.find("etrn") != std::string_view::npos   ? "check_etrn_access"
                                                                : "check_recipient_access";
            const Entry* entry = find_entry(implied);
            auto table = factory.open(words[i]);
            if (!table) return std::unexpected(fmt::format("{}: {}", what, table.error().text));
            step.run = entry->run;
            step.table = std::move(*table);
        } else {
            const Entry* entry = find_entry(step.name);
            if (!entry) {
                const auto near = nearest(step.name);
                return std::unexpected(fmt::format("{}: '{}' is not a restriction this version knows{}", what,
                                                   words[i],
                                                   near.empty() ? "" : "; did you mean " + near + "?"));
            }
            step.run = entry->run;
            if (entry->argument != Argument::None) {
                if (i + 1 >= words.size())
                    return std::unexpected(
                        fmt::format("{}: {} needs {}", what, step.name, needed_by(entry->argument)));
                step.argument = words[++i];
                auto problem = read_argument(entry->argument, step, factory, options);
                if (!problem.empty()) return std::unexpected(fmt::format("{}: {}", what, problem));
            }
        }
        out->steps.push_back(std::move(step));
    }
    return out;
}

bool stops_relaying(const Program& program) {
    return std::ranges::any_of(program.steps, [](const Step& step) {
        return step.name == "reject" || step.name == "defer" || step.name == "reject_unauth_destination" ||
               step.name == "defer_unauth_destination" || step.name == "defer_if_permit";
    });
}

env::Task<Outcome> evaluate(Context& context, const Program& program) {
    for (const auto& step : program.steps) {
        Outcome out = co_await step.run(context, step);
        if (out.kind == Outcome::Kind::Dunno) continue;
        if (out.kind == Outcome::Kind::Refuse && context.warn_only) {
            context.notes.push_back({"reject_warning", out.reply.line()});
            context.warn_only = false;
            continue;
        }
        if (step.run != run_warn_if_reject) context.warn_only = false;
        co_return out;
    }
    co_return Outcome{};
}

}  // namespace policy
