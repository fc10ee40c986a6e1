// check_host() of RFC 7208 §4: may this client send mail for this domain? A coroutine over env::Resolver with
// the processing limits of §4.6.4; whatever a domain publishes, the number of questions is bounded.
#pragma once

#include "env/clock.hpp"
#include "env/network.hpp"
#include "env/resolver.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace spf {

enum class Result { None, Neutral, Pass, Fail, SoftFail, TempError, PermError };
/// "none", "neutral", "pass", "fail", "softfail", "temperror", "permerror" (§2.6).
std::string_view to_text(Result result);

struct Query {
    env::IpAddress ip;
    std::string helo;
    std::string
        mail_from;  // "local@domain", "@domain", or empty: then the identity is postmaster@helo (§2.4)
    std::string receiver = "unknown";
};

struct Limits {
    unsigned dns_terms_max = 10;        // §4.6.4: include, a, mx, ptr, exists, redirect
    unsigned void_lookups_max = 2;      // §4.6.4
    unsigned mx_names_max = 10;         // §4.6.4: more is a permerror
    unsigned ptr_names_max = 10;        // §4.6.4: the rest is ignored
    unsigned exp_octets_max = 500;      // of an explanation
    std::chrono::seconds time_max{20};  // §4.6.4: at least 20 s
};

struct Verdict {
    Result result = Result::None;
    std::string domain;       // whose record decided
    std::string mechanism;    // the term that matched ("-all"), "default" when none did
    std::string explanation;  // exp= text on fail; empty: none
    std::string problem;      // what is wrong on temperror and permerror
    unsigned dns_terms = 0;
    unsigned void_lookups = 0;
};

/// The MAIL FROM identity (or postmaster@helo for the null sender).
env::Task<Verdict> check_mail_from(env::Resolver& resolver, const env::Clock& clock, Query query,
                                   Limits limits = {});
/// The HELO identity (§2.3).
env::Task<Verdict> check_helo(env::Resolver& resolver, const env::Clock& clock, Query query,
                              Limits limits = {});

/// The Received-SPF field (§9.1) with CRLF; nothing the peer sent can break it.
std::string received_spf(const Verdict& verdict, const Query& query, std::string_view identity);

}  // namespace spf
