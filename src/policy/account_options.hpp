// What accounts that logged in may send, under main.cf names.
#pragma once

#include "base/parameter.hpp"

#include <cstdint>
#include <string>

namespace policy {

struct AccountOptions {
    std::uint32_t message_hour = 0, message_day = 0, recipient_hour = 0, recipient_day = 0, reject_code = 450,
                  accounts_max = 100000, surge_factor = 10, surge_minimum = 500, surge_days = 14;
    std::string maps, notice_recipient;

    static constexpr void describe(auto& parameter) {
        using O = AccountOptions;
        using base::Between;
        using base::Default;
        constexpr std::uint32_t limit_max = 1000000000;
        parameter("smtpd_account_message_hour_limit", &O::message_hour, Between{0, limit_max},
                  "How many messages an account that logged in may send in any hour; 0: no limit.");
        parameter("smtpd_account_message_day_limit", &O::message_day, Between{0, limit_max},
                  "How many messages an account that logged in may send in any 24 hours; 0: no limit.");
        parameter("smtpd_account_recipient_hour_limit", &O::recipient_hour, Between{0, limit_max},
                  "To how many recipients, of all its messages together, an account may send in any hour; "
                  "0: no limit.");
        parameter("smtpd_account_recipient_day_limit", &O::recipient_day, Between{0, limit_max},
                  "To how many recipients, of all its messages together, an account may send in any 24 "
                  "hours; 0: no limit.");
        parameter("smtpd_account_limit_maps", &O::maps, Default{""},
                  "Tables from login name (or @domain) to limits of its own, such as \"message_hour=50 "
                  "recipient_day=2000\" (what is not named stays as it is in main.cf), \"unlimited\", or "
                  "\"blocked\".");
        parameter("smtpd_account_limit_reject_code", &O::reject_code, Between{400, 599},
                  "The reply code for an account over one of its limits; with 550 mail programs do not try "
                  "again.");
        parameter("smtpd_account_table_limit", &O::accounts_max, Between{10, 10000000},
                  "How many accounts are counted at most; beyond, those that sent longest ago are "
                  "forgotten.");
        parameter("smtpd_account_surge_factor", &O::surge_factor, Between{0, 100000},
                  "An account whose recipients of one day are more than this many times its usual day's is "
                  "conspicuous: the log and smtpd_account_surge_notice_recipient are told; 0: never.");
        parameter("smtpd_account_surge_minimum", &O::surge_minimum, Between{1, limit_max},
                  "With fewer recipients on a day no account is conspicuous, whatever is usual.");
        parameter(
            "smtpd_account_surge_baseline_days", &O::surge_days, Between{1, 365},
            "From about so many days it is learned what is usual for an account (a mean in which recent "
            "days weigh more).");
        parameter("smtpd_account_surge_notice_recipient", &O::notice_recipient, Default{"postmaster"},
                  "Who is told, once a day, when an account suddenly sends far more than it used to; empty: "
                  "nobody.");
    }
};

}  // namespace policy
