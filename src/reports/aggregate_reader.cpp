// Reading reports as real senders write them: RFC 9990, RFC 7489 and its drafts, and their mistakes.
#include "base/text.hpp"
#include "env/network.hpp"
#include "reports/aggregate.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <pugixml.hpp>

namespace reports {
namespace {

constexpr std::uint64_t count_max = 1'000'000'000'000;  // messages of one row: more is no count

std::string_view local_name(const pugi::xml_node& node) {
    const std::string_view name = node.name();
    const auto colon = name.rfind(':');
    return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

class Reader {
 public:
    explicit Reader(const AggregateLimits& limits) : limits_(limits) {}

    std::expected<AggregateReport, std::string> read(const pugi::xml_node& feedback) {
        out_.version = text(feedback, "version");
        metadata(child(feedback, "report_metadata"));
        policy(child(feedback, "policy_published"));
        std::size_t records = 0;
        for (const auto& node : feedback.children()) {
            if (local_name(node) != "record") continue;
            if (++records > limits_.rows_max || (last_is_broken_ && node == feedback.last_child())) continue;
            record(node);
        }
        if (records > limits_.rows_max)
            problem(fmt::format("{} records; only the first {} are read", records, limits_.rows_max));
        if (records == 0) problem("it has no record");
        if (out_.policy.domain.empty()) {
            // What the records are about says it, where the policy does not.
            if (out_.rows.empty() || out_.rows.front().header_from.empty())
                return std::unexpected(std::string("it names no policy domain and has no record"));
            out_.policy.domain = out_.rows.front().header_from;
            problem("policy_published names no domain; the first record's is taken");
        }
        return std::move(out_);
    }

    void pass_over_last() { last_is_broken_ = true; }

    void problem(std::string what) {
        if (out_.problems.size() < limits_.problems_max) out_.problems.push_back(std::move(what));
    }

 private:
    static pugi::xml_node child(const pugi::xml_node& of, std::string_view name) {
        for (const auto& node : of.children())
            if (local_name(node) == name) return node;
        return {};
    }

    std::string clean(std::string_view value) const {
        return base::printable(base::trim(value), limits_.text_max);
    }
    std::string text(const pugi::xml_node& of, std::string_view name) const {
        return clean(child(of, name).child_value());
    }
    std::string word(const pugi::xml_node& of, std::string_view name) const {
        return base::lower(text(of, name));
    }

    std::uint64_t time(const pugi::xml_node& of, std::string_view name) {
        const std::string said = text(of, name);
        // Some write a fraction: "1538413632.0".
        const auto value =
            base::parse_number(std::string_view(said).substr(0, said.find('.')), UINT32_MAX * 4ULL);
        if (!value) problem(fmt::format("{} is '{}', no Unix time", name, said));
        return value.value_or(0);
    }

    void metadata(const pugi::xml_node& node) {
        out_.org_name = text(node, "org_name");
        out_.email = text(node, "email");
        out_.extra_contact = text(node, "extra_contact_info");
        out_.report_id = text(node, "report_id");
        out_.generator = text(node, "generator");
        for (const auto& one : node.children())
            if (local_name(one) == "error" && out_.errors.size() < limits_.list_max)
                if (auto said = clean(one.child_value()); !said.empty())
                    out_.errors.push_back(std::move(said));
        const auto range = child(node, "date_range");
        out_.begin = time(range, "begin");
        out_.end = time(range, "end");
        if (out_.report_id.empty()) problem("it has no report_id");
        if (out_.org_name.empty()) problem("it has no org_name");
        if (out_.end < out_.begin) problem("its period ends before it begins");
    }

    void policy(const pugi::xml_node& node) {
        auto& policy = out_.policy;
        policy.domain = word(node, "domain");
        while (policy.domain.ends_with('.')) policy.domain.pop_back();
        policy.discovery_method = word(node, "discovery_method");
        policy.p = word(node, "p");
        policy.sp = word(node, "sp");
        policy.np = word(node, "np");
        policy.adkim = word(node, "adkim");
        policy.aspf = word(node, "aspf");
        policy.fo = text(node, "fo");
        policy.testing = word(node, "testing");
        policy.pct = text(node, "pct");
    }

    /// "pass" and "fail" only; what else stands there fails, as it does not say pass.
    std::string aligned(const pugi::xml_node& node, std::string_view name) {
        const std::string said = word(node, name);
        if (said == "pass" || said == "fail") return said;
        problem(fmt::format("policy_evaluated/{} is '{}'; taken as fail", name, said));
        return "fail";
    }

    void record(const pugi::xml_node& node) {
        const auto row = child(node, "row");
        const std::string said = text(row, "count");
        const auto count = base::parse_number(said, count_max);
        if (!count) return problem(fmt::format("a record's count is '{}'; the record is left out", said));
        AggregateRow out;
        out.count = *count;
        out.source_ip = text(row, "source_ip");
        if (const auto address = env::IpAddress::parse(out.source_ip))
            out.source_ip = address->text();
        else
            problem(fmt::format("source_ip '{}' is no address", out.source_ip));
        const auto evaluated = child(row, "policy_evaluated");
        out.disposition = word(evaluated, "disposition");
        if (out.disposition.empty()) out.disposition = "none";
        out.dkim = aligned(evaluated, "dkim");
        out.spf = aligned(evaluated, "spf");
        for (const auto& one : evaluated.children()) {
            if (local_name(one) != "reason" || out.reasons.size() >= limits_.list_max) continue;
            OverrideReason reason{word(one, "type"), text(one, "comment")};
            if (reason != OverrideReason{}) out.reasons.push_back(std::move(reason));
        }
        // "identities" is an early draft's name.
        auto identifiers = child(node, "identifiers");
        if (!identifiers) identifiers = child(node, "identities");
        out.header_from = word(identifiers, "header_from");
        out.envelope_from = word(identifiers, "envelope_from");
        out.envelope_to = word(identifiers, "envelope_to");
        results(child(node, "auth_results"), out);
        out_.rows.push_back(std::move(out));
    }

    void results(const pugi::xml_node& node, AggregateRow& out) const {
        for (const auto& one : node.children()) {
            const auto name = local_name(one);
            if (name == "dkim" && out.dkim_results.size() < limits_.list_max)
                out.dkim_results.push_back({word(one, "domain"), text(one, "selector"), word(one, "result"),
                                            text(one, "human_result")});
            else if (name == "spf" && out.spf_results.size() < limits_.list_max)
                out.spf_results.push_back({word(one, "domain"), word(one, "scope"), word(one, "result"),
                                           text(one, "human_result")});
        }
    }

    const AggregateLimits& limits_;
    AggregateReport out_;
    bool last_is_broken_ = false;
};

std::string place(std::string_view octets, std::ptrdiff_t offset) {
    const auto before = octets.substr(
        0, std::min(octets.size(), static_cast<std::size_t>(std::max(offset, std::ptrdiff_t{0}))));
    return fmt::format("line {}", 1 + std::ranges::count(before, '\n'));
}

}  // namespace

std::expected<AggregateReport, std::string> parse_aggregate_xml(std::string_view octets,
                                                                const AggregateLimits& limits) {
    if (octets.size() > limits.octets_max)
        return std::unexpected(fmt::format("the XML is larger than {} octets", limits.octets_max));
    const auto markup =
        static_cast<std::size_t>(std::ranges::count_if(octets, [](char c) { return c == '<' || c == '='; }));
    if (markup > limits.markup_max)
        return std::unexpected(fmt::format("the XML has more than {} pieces of markup", limits.markup_max));
    pugi::xml_document document;
    const auto parsed = document.load_buffer(octets.data(), octets.size());
    pugi::xml_node feedback;
    for (const auto& node : document.children())
        if (local_name(node) == "feedback") feedback = node;
    if (!feedback)
        return std::unexpected(
            parsed ? "the XML has no feedback element: it is no aggregate report"
                   : fmt::format("{}: {}", place(octets, parsed.offset), parsed.description()));
    Reader reader(limits);
    if (!parsed) {
        // Cut off or broken within: the last record may be half. It is passed over, not removed: pugixml
        // removes by recursion, and the document says how deep.
        reader.pass_over_last();
        reader.problem(fmt::format("{}: {}; what stands before it is read", place(octets, parsed.offset),
                                   parsed.description()));
    }
    auto out = reader.read(feedback);
    if (!out && !parsed)
        return std::unexpected(fmt::format("{}: {}", place(octets, parsed.offset), parsed.description()));
    return out;
}

}  // namespace reports
