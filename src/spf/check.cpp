#include "spf/check.hpp"

#include "base/text.hpp"
#include "mail/author.hpp"
#include "spf/macro.hpp"
#include "spf/record.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace spf {
namespace {

Result result_of(Qualifier qualifier) {
    switch (qualifier) {
        case Qualifier::Pass:
            return Result::Pass;
        case Qualifier::Fail:
            return Result::Fail;
        case Qualifier::SoftFail:
            return Result::SoftFail;
        case Qualifier::Neutral:
            return Result::Neutral;
    }
    return Result::Neutral;
}

/// §4.3: a name with at least two labels that DNS can carry; no address literal.
std::optional<dns::Name> checkable(std::string_view domain) {
    if (domain.starts_with('[')) return std::nullopt;
    auto name = dns::Name::parse(domain);
    if (!name || name->labels().size() < 2) return std::nullopt;
    return name;
}

/// Why evaluation must end at once.
struct Abort {
    Result result;
    std::string problem;
};

enum class Match { No, Yes };
using Matched = std::expected<Match, Abort>;

/// One check_host() with its recursion: the limits are shared by all of it.
class Evaluation {
 public:
    Evaluation(env::Resolver& resolver, const env::Clock& clock, Query query, Limits limits,
               std::string sender)
        : resolver_(resolver),
          clock_(clock),
          query_(std::move(query)),
          limits_(limits),
          end_(clock.steady() + limits.time_max) {
        const auto at = sender.rfind('@');
        values_.local_part =
            at == 0 || at == std::string::npos ? "postmaster" : sender.substr(0, at);  // §4.3
        values_.sender_domain = at == std::string::npos ? sender : sender.substr(at + 1);
        if (!base::is_ascii(values_.sender_domain))  // RFC 8616 §4
            values_.sender_domain = mail::to_a_labels(values_.sender_domain).value_or(values_.sender_domain);
        values_.sender = values_.local_part + "@" + values_.sender_domain;
        values_.ip = query_.ip;
        values_.helo = query_.helo;
        values_.receiver = query_.receiver;
        values_.unix_time = env::unix_time(clock.wall());
    }

    env::Task<Verdict> run() {
        Verdict verdict = co_await check(values_.sender_domain, Explain::Yes);
        verdict.dns_terms = dns_terms_;
        verdict.void_lookups = void_lookups_;
        co_return verdict;
    }

 private:
    enum class Explain { No, Yes };

    static Verdict failed(Abort why, std::string domain) {
        Verdict out;
        out.result = why.result;
        out.problem = std::move(why.problem);
        out.domain = std::move(domain);
        return out;
    }

    env::Task<std::expected<env::DnsAnswer, Abort>> ask(dns::Name name, dns::Type type) {
        if (clock_.steady() >= end_)
            co_return std::unexpected(Abort{Result::TempError, "the check took too long"});
        env::DnsAnswer answer = co_await resolver_.query(std::move(name), type);
        if (answer.temporary()) co_return std::unexpected(Abort{Result::TempError, "DNS: " + answer.why});
        co_return answer;
    }

    std::optional<Abort> count_void(const env::DnsAnswer& answer) {
        if (answer.ok() || ++void_lookups_ <= limits_.void_lookups_max) return std::nullopt;
        return Abort{Result::PermError,
                     fmt::format("more than {} look-ups without an answer", limits_.void_lookups_max)};
    }

    std::optional<Abort> count_term() {
        if (++dns_terms_ <= limits_.dns_terms_max) return std::nullopt;
        return Abort{Result::PermError,
                     fmt::format("more than {} terms that ask DNS", limits_.dns_terms_max)};
    }

    // §4.4, §4.5
    env::Task<std::expected<std::optional<std::string>, Abort>> find_record(dns::Name name) {
        auto answer = co_await ask(std::move(name), dns::Type::Txt);
        if (!answer) co_return std::unexpected(answer.error());
        std::optional<std::string> found;
        for (const auto& record : answer->records) {
            const auto* txt = std::get_if<dns::Txt>(&record);
            if (!txt) continue;
            const std::string text = txt->joined();
            if (!is_spf1(text)) continue;
            if (found) co_return std::unexpected(Abort{Result::PermError, "more than one SPF record"});
            found = text;
        }
        co_return found;
    }

    env::Task<Verdict> check(std::string domain, Explain explain) {
        Verdict out;
        out.domain = domain;
        const auto name = checkable(domain);
        if (!name) co_return out;  // §4.3: none
        auto text = co_await find_record(*name);
        if (!text) co_return failed(text.error(), domain);
        if (!*text) co_return out;
        auto record = parse_record(**text);
        if (!record)
            co_return failed(
                Abort{Result::PermError, fmt::format("{}: {}", record.error().term, record.error().why)},
                domain);
        for (const auto& mechanism : record->mechanisms) {
            auto matched = co_await evaluate(mechanism, domain);
            if (!matched) {
                auto verdict = failed(matched.error(), domain);
                verdict.mechanism = mechanism.text;
                co_return verdict;
            }
            if (*matched == Match::No) continue;
            out.result = result_of(mechanism.qualifier);
            out.mechanism = mechanism.text;
            if (out.result == Result::Fail && explain == Explain::Yes && record->exp)
                out.explanation = co_await explanation(*record->exp, domain);
            co_return out;
        }
        if (record->redirect) {
            auto verdict = co_await redirected(*record->redirect, domain, explain);
            co_return verdict;
        }
        out.result = Result::Neutral;  // §4.7
        out.mechanism = "default";
        co_return out;
    }

    // §6.1
    env::Task<Verdict> redirected(std::string domain_spec, std::string domain, Explain explain) {
        if (auto over = count_term()) co_return failed(*over, domain);
        const std::string target = co_await expand(std::move(domain_spec), domain);
        Verdict verdict = co_await check(target, explain);
        if (verdict.result == Result::None)
            co_return failed(Abort{Result::PermError, "redirect=" + target + " has no SPF record"}, domain);
        co_return verdict;
    }

    env::Task<std::string> expand(std::string domain_spec, std::string domain) {
        if (domain_spec.empty()) co_return domain;
        values_.domain = domain;
        if (uses_validated_name(domain_spec)) values_.validated_name = co_await validated_name(domain);
        values_.domain = domain;
        co_return expand_domain(domain_spec, values_);
    }

    env::Task<Matched> evaluate(const Mechanism& mechanism, std::string domain) {
        using Kind = Mechanism::Kind;
        switch (mechanism.kind) {
            case Kind::All:
                co_return Match::Yes;
            case Kind::Ip4:
            case Kind::Ip6: {
                constexpr unsigned mapped_bits =
                    96;  // an ip6: network within ::ffff:0:0/96 means IPv4 clients
                const bool mapped = mechanism.kind == Kind::Ip6 && mechanism.network.is_v4();
                if (mapped && mechanism.prefix6 < mapped_bits) co_return Match::No;
                const unsigned prefix = mapped                        ? mechanism.prefix6 - mapped_bits
                                        : mechanism.kind == Kind::Ip6 ? mechanism.prefix6
                                                                      : mechanism.prefix4;
                co_return query_.ip.in_network(mechanism.network, prefix) ? Match::Yes : Match::No;
            }
            default:
                break;
        }
        if (auto over = count_term()) co_return std::unexpected(*over);
        const std::string target = co_await expand(mechanism.domain_spec, domain);
        Matched matched = Match::No;
        switch (mechanism.kind) {
            case Kind::Include:
                matched = co_await include(target);
                break;
            case Kind::A:
                matched = co_await host_matches(target, mechanism);
                break;
            case Kind::Mx:
                matched = co_await mx(target, mechanism);
                break;
            case Kind::Ptr:
                matched = co_await ptr(target);
                break;
            case Kind::Exists:
                matched = co_await exists(target);
                break;
            default:
                break;
        }
        co_return matched;
    }

    // §5.2
    env::Task<Matched> include(std::string target) {
        Verdict verdict = co_await check(target, Explain::No);
        switch (verdict.result) {
            case Result::Pass:
                co_return Match::Yes;
            case Result::TempError:
                co_return std::unexpected(Abort{Result::TempError, verdict.problem});
            case Result::PermError:
                co_return std::unexpected(Abort{Result::PermError, verdict.problem});
            case Result::None:
                co_return std::unexpected(
                    Abort{Result::PermError, "include:" + target + " has no SPF record"});
            default:
                co_return Match::No;
        }
    }

    bool answers_with_client(const env::DnsAnswer& answer, unsigned prefix4, unsigned prefix6) const {
        return std::ranges::any_of(answer.records, [&](const dns::Record& record) {
            if (const auto* v4 = std::get_if<dns::A>(&record))
                return query_.ip.in_network(env::IpAddress::from_bytes(v4->address), prefix4);
            if (const auto* v6 = std::get_if<dns::Aaaa>(&record))
                return query_.ip.in_network(env::IpAddress::from_bytes(v6->address), prefix6);
            return false;
        });
    }

    dns::Type address_type() const { return query_.ip.is_v4() ? dns::Type::A : dns::Type::Aaaa; }

    // §5.3
    env::Task<Matched> host_matches(std::string target, const Mechanism& mechanism) {
        const auto name = dns::Name::parse(target);
        if (!name) co_return Match::No;
        auto answer = co_await ask(*name, address_type());
        if (!answer) co_return std::unexpected(answer.error());
        if (auto over = count_void(*answer)) co_return std::unexpected(*over);
        co_return answers_with_client(*answer, mechanism.prefix4, mechanism.prefix6) ? Match::Yes : Match::No;
    }

    // §5.4
    env::Task<Matched> mx(std::string target, const Mechanism& mechanism) {
        const auto name = dns::Name::parse(target);
        if (!name) co_return Match::No;
        auto answer = co_await ask(*name, dns::Type::Mx);
        if (!answer) co_return std::unexpected(answer.error());
        if (auto over = count_void(*answer)) co_return std::unexpected(*over);
        std::size_t looked_at = 0;
        for (const auto& record : answer->records) {
            const auto* exchange = std::get_if<dns::Mx>(&record);
            if (!exchange || exchange->exchange.is_root()) continue;
            if (++looked_at > limits_.mx_names_max)  // a match among the first ones stands
                co_return std::unexpected(
                    Abort{Result::PermError, fmt::format("more than {} MX hosts", limits_.mx_names_max)});
            auto matched = co_await host_matches(exchange->exchange.text(), mechanism);
            if (!matched || *matched == Match::Yes) co_return matched;
        }
        co_return Match::No;
    }

    // §5.7
    env::Task<Matched> exists(std::string target) {
        const auto name = dns::Name::parse(target);
        if (!name) co_return Match::No;
        auto answer = co_await ask(*name, dns::Type::A);
        if (!answer) co_return std::unexpected(answer.error());
        if (auto over = count_void(*answer)) co_return std::unexpected(*over);
        co_return answer->ok() ? Match::Yes : Match::No;
    }

    // §5.5: names that the client's address points to and that point back; DNS errors mean no match. Asked
    // once: they are the same for every term.
    env::Task<std::expected<std::vector<dns::Name>, Abort>> validated_names() {
        if (validated_names_) co_return *validated_names_;
        validated_names_.emplace();
        auto answer = co_await ask(*dns::Name::parse(query_.ip.pointer_name()), dns::Type::Ptr);
        if (!answer) co_return *validated_names_;
        if (auto over = count_void(*answer)) co_return std::unexpected(*over);
        unsigned asked = 0;
        for (const auto& record : answer->records) {
            const auto* pointer = std::get_if<dns::Ptr>(&record);
            if (!pointer || pointer->target.is_root()) continue;
            if (++asked > limits_.ptr_names_max) break;
            auto back = co_await ask(pointer->target, address_type());
            if (!back) continue;
            if (auto over = count_void(*back)) co_return std::unexpected(*over);
            if (answers_with_client(*back, 32, 128)) validated_names_->push_back(pointer->target);
        }
        co_return *validated_names_;
    }

    env::Task<Matched> ptr(std::string target) {
        const auto wanted = dns::Name::parse(target);
        if (!wanted) co_return Match::No;
        const auto names = co_await validated_names();
        if (!names) co_return std::unexpected(names.error());
        co_return std::ranges::any_of(*names, [&](const dns::Name& n) { return n.is_within(*wanted); })
            ? Match::Yes
            : Match::No;
    }

    // §7.3, the p macro
    env::Task<std::string> validated_name(std::string domain) {
        const auto validated = co_await validated_names();
        const auto names = validated.value_or(std::vector<dns::Name>{});
        const auto wanted = dns::Name::parse(domain);
        for (const auto& name : names)
            if (wanted && name == *wanted) co_return name.text();
        for (const auto& name : names)
            if (wanted && name.is_within(*wanted)) co_return name.text();
        co_return names.empty() ? "unknown" : names.front().text();
    }

    // §6.2: any trouble means no explanation.
    env::Task<std::string> explanation(std::string domain_spec, std::string domain) {
        const std::string target = co_await expand(std::move(domain_spec), domain);
        const auto name = dns::Name::parse(target);
        if (!name) co_return std::string{};
        auto answer = co_await ask(*name, dns::Type::Txt);
        if (!answer || answer->records.size() != 1) co_return std::string{};
        const auto* txt = std::get_if<dns::Txt>(&answer->records.front());
        const std::string text = txt ? txt->joined() : "";
        if (text.empty() || text.size() > limits_.exp_octets_max ||
            !is_valid_macro_text(text, MacroPlace::Explanation))
            co_return std::string{};
        values_.domain = domain;
        if (uses_validated_name(text)) values_.validated_name = co_await validated_name(domain);
        co_return base::printable(expand_macros(text, values_, MacroPlace::Explanation),
                                  limits_.exp_octets_max);
    }

    env::Resolver& resolver_;
    const env::Clock& clock_;
    Query query_;
    Limits limits_;
    env::SteadyTime end_;
    MacroValues values_;
    std::optional<std::vector<dns::Name>> validated_names_;
    unsigned dns_terms_ = 0;
    unsigned void_lookups_ = 0;
};

}  // namespace

std::string_view to_text(Result result) {
    constexpr std::string_view words[] = {"none",     "neutral",   "pass",     "fail",
                                          "softfail", "temperror", "permerror"};
    return words[static_cast<std::size_t>(result)];
}

env::Task<Verdict> check_mail_from(env::Resolver& resolver, const env::Clock& clock, Query query,
                                   Limits limits) {
    std::string sender = query.mail_from.empty() ? "postmaster@" + query.helo : query.mail_from;
    Evaluation evaluation(resolver, clock, std::move(query), limits, std::move(sender));
    Verdict verdict = co_await evaluation.run();
    co_return verdict;
}

env::Task<Verdict> check_helo(env::Resolver& resolver, const env::Clock& clock, Query query, Limits limits) {
    std::string sender = "postmaster@" + query.helo;
    Evaluation evaluation(resolver, clock, std::move(query), limits, std::move(sender));
    Verdict verdict = co_await evaluation.run();
    co_return verdict;
}

std::string received_spf(const Verdict& verdict, const Query& query, std::string_view identity) {
    const auto quoted = [](std::string_view text) {
        std::string out = "\"";
        for (const char c : base::printable(text, 256)) {
            if (c == '"' || c == '\\') out += '\\';
            out += c;
        }
        return out + "\"";
    };
    std::string out = fmt::format(
        "Received-SPF: {} receiver={};\r\n\tclient-ip={}; envelope-from={};\r\n\thelo={}; identity={}",
        to_text(verdict.result), quoted(query.receiver), quoted(query.ip.text()), quoted(query.mail_from),
        quoted(query.helo), identity);
    if (!verdict.mechanism.empty()) out += fmt::format(";\r\n\tmechanism={}", quoted(verdict.mechanism));
    if (!verdict.problem.empty()) out += fmt::format(";\r\n\tproblem={}", quoted(verdict.problem));
    return out + "\r\n";
}

}  // namespace spf
