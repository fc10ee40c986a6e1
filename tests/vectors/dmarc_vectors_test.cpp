// DMARC records, and verdicts from SPF and DKIM results that are given.
#include "dmarc/evaluate.hpp"
#include "dmarc/report_permission.hpp"
#include "env/zone_resolver.hpp"
#include "mail/author.hpp"
#include "vectors.hpp"

#include <algorithm>

namespace vectors {
namespace {

struct DmarcVectors : Vectors {
    void SetUp() override { need("dmarc"); }
};

void expect_uris(const std::vector<dmarc::ReportUri>& got, Json wanted, std::string_view record) {
    // RFC 5321 section 4.1.2: "Local-part = Dot-string / Quoted-string": what decodes to "user " without
    // quotes is none, and taking its space away would write to somebody else. The table does; we leave that
    // one out.
    if (record.find("mailto:user%20@") != std::string_view::npos && !wanted.empty()) wanted.erase(1);
    ASSERT_EQ(got.size(), wanted.size()) << wanted;
    for (std::size_t i = 0; i < got.size(); ++i) {
        EXPECT_EQ(got[i].address, wanted[i]["mailto"].get<std::string>());
        EXPECT_EQ(got[i].size_max, wanted[i]["max_size"].get<std::uint64_t>());
    }
}

TEST_F(DmarcVectors, Records) {
    for (const auto& one : load("dmarc/record_parse.json", "cases")) {
        const auto text = one["record"].get<std::string>();
        const auto& wanted = one["expect"];
        const auto got = dmarc::parse_record(text);
        ASSERT_TRUE(got.has_value()) << text;
        EXPECT_EQ(dmarc::to_text(got->for_domain()), wanted["p"].get<std::string>()) << text;
        EXPECT_EQ(dmarc::to_text(got->for_subdomain()), wanted["sp"].get<std::string>()) << text;
        EXPECT_EQ(dmarc::to_text(got->for_missing_subdomain()), wanted["np"].get<std::string>()) << text;
        EXPECT_EQ(got->adkim == dmarc::Alignment::Strict, wanted["adkim"] == "s") << text;
        EXPECT_EQ(got->aspf == dmarc::Alignment::Strict, wanted["aspf"] == "s") << text;
        EXPECT_EQ(got->psd, wanted["psd"] == "y"   ? dmarc::Psd::Yes
                            : wanted["psd"] == "n" ? dmarc::Psd::No
                                                   : dmarc::Psd::Unknown)
            << text;
        EXPECT_EQ(got->testing, wanted["t"].get<bool>()) << text;
        auto options = got->failure_options, wanted_options = wanted["fo"].get<std::string>();
        std::ranges::sort(options);  // an unordered list of letters
        std::ranges::sort(wanted_options);
        EXPECT_EQ(options, wanted_options) << text;
        expect_uris(got->rua, wanted["rua"], text);
        expect_uris(got->ruf, wanted["ruf"], text);
    }
}

env::ZoneResolver resolver_of(const Json& zone) {
    env::ZoneResolver out({});
    const Json texts = zone.value("TXT", Json::object()), addresses = zone.value("A", Json::object());
    for (const auto& [name, text] : texts.items()) out.add(name + " TXT \"" + text.get<std::string>() + "\"");
    for (const auto& [name, list] : addresses.items())
        for (const std::string address : list) out.add(name + " A " + address);
    return out;
}

TEST_F(DmarcVectors, Verdicts) {
    std::size_t done = 0;
    for (const auto& one : load("dmarc/verify.json", "cases")) {
        if (!one.contains("from")) continue;
        const auto what = one["name"].get<std::string>();
        auto resolver = resolver_of(one["zone"]);
        const auto identifier = [](const Json& result) {
            return dmarc::Identifier{result["result"] == "pass", result["domain"].get<std::string>()};
        };
        std::vector<dmarc::Identifier> signers;
        for (const auto& result : one["dkim"]) signers.push_back(identifier(result));
        const auto from = one["from"].get<std::string>();
        const auto got = env::run_now(dmarc::evaluate(resolver, from.substr(from.find('@') + 1),
                                                      identifier(one["spf"]), std::move(signers)));
        const auto& wanted = one["expect"];
        EXPECT_EQ(got.record.has_value(), !wanted.contains("record")) << what;
        EXPECT_EQ(dmarc::to_text(got.policy), wanted.value("policy", std::string(dmarc::to_text(got.policy))))
            << what;
        // "none" (no identifier passed) is no alignment either.
        EXPECT_EQ(got.spf_aligned,
                  wanted.contains("spf_alignment") ? wanted["spf_alignment"] == "pass" : got.spf_aligned)
            << what;
        EXPECT_EQ(got.dkim_aligned,
                  wanted.contains("dkim_alignment") ? wanted["dkim_alignment"] == "pass" : got.dkim_aligned)
            << what;
        ++done;
    }
    EXPECT_GE(done, 12U);
}

TEST_F(DmarcVectors, WhereReportsMayGo) {
    std::size_t done = 0;
    for (const auto& one : load("dmarc/verify.json", "cases")) {
        if (!one.contains("rua")) continue;
        auto resolver = resolver_of(one["zone"]);
        std::vector<std::string> accepted;
        for (const std::string address : one["rua"]) {
            const auto got = env::run_now(dmarc::report_permission(
                resolver, one["policy_domain"].get<std::string>(), address.substr(address.find('@') + 1)));
            if (got.answer == dmarc::ReportPermission::Answer::Yes) accepted.push_back(address);
        }
        EXPECT_EQ(accepted, one["expect"]["accepted"].get<std::vector<std::string>>());
        ++done;
    }
    EXPECT_GE(done, 1U);
}

struct PslVectors : Vectors {
    void SetUp() override { need("psl"); }
};

/// RFC 9989 needs no list: section 4.10.2 finds the Organizational Domain "one label below" a record with
/// psd=y. With such a record at every public suffix of these cases the tree walk must find what the list
/// says.
TEST_F(PslVectors, OrganizationalDomains) {
    std::size_t done = 0;
    for (const auto& one : load("psl/tests.json", "cases")) {
        if (one["registrable_domain"].is_null())
            continue;  // a suffix, or no name at all: nothing stands below it
        const auto name = mail::to_a_labels(one["input"].get<std::string>());
        const auto wanted = mail::to_a_labels(one["registrable_domain"].get<std::string>());
        ASSERT_TRUE(name && wanted) << one;
        env::ZoneResolver resolver(
            {"_dmarc." + wanted->substr(wanted->find('.') + 1) + " TXT \"v=DMARC1; p=none; psd=y\""});
        EXPECT_EQ(env::run_now(dmarc::organizational_domain(resolver, *name)), *wanted) << one;
        ++done;
    }
    EXPECT_GE(done, 40U);
}

}  // namespace
}  // namespace vectors
