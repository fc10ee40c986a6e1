#include "policy/message_filter.hpp"

#include "routing/routing.hpp"

#include <gtest/gtest.h>

namespace policy {
namespace {

/// The domain for addresses that have none, as for this machine's own clients.
env::Task<std::expected<mail::Address, std::string>> completed(mail::Address address, routing::AddressRole) {
    if (address.domain.empty()) address.domain = "x.y";
    co_return address;
}

std::string filtered(std::string_view message) {
    MessageFilter filter(std::make_shared<const FilterRules>(), completed);
    std::string out;
    env::run_now(filter.feed(message, out));
    env::run_now(filter.end(out));
    return out;
}

TEST(MessageFilter, CompletesAddressesOnlyWhereADomainIsMissing) {
    struct Case {
        std::string_view in, out;
    };
    for (const auto& [in, out] :
         {Case{"From: ann\r\n", "From: ann@x.y\r\n"},
          Case{"From: Ann Example <ann>\r\n", "From: Ann Example <ann@x.y>\r\n"},
          Case{"From: ann (Ann: the, one)\r\n", "From: ann@x.y (Ann: the, one)\r\n"},
          Case{"To: \"a, b\" <a>, bob@z, carl ,\r\n d\r\n",
               "To: \"a, b\" <a@x.y>, bob@z, carl@x.y ,\r\n d@x.y\r\n"},
          Case{"To: team: ann, bob@z;\r\n", "To: team: ann@x.y, bob@z;\r\n"},
          Case{"To: undisclosed-recipients:;\r\n", "To: undisclosed-recipients:;\r\n"},
          Case{"To: \"ann b\"\r\n", "To: \"ann b\"@x.y\r\n"},
          Case{"To: \"a@b\" <ann>\r\n", "To: \"a@b\" <ann@x.y>\r\n"},
          Case{"To: Ann Example\r\n", "To: Ann Example\r\n"},
          Case{"To: <>, <@r:u@h>, < ann >\r\n", "To: <>, <@r:u@h>, < ann@x.y >\r\n"},
          Case{"To: (only \\) a comment)\r\n", "To: (only \\) a comment)\r\n"},
          Case{"To: ann@[IPv6:::1], bob\r\n", "To: ann@[IPv6:::1], bob@x.y\r\n"},
          Case{"To: <ann\r\n", "To: <ann@x.y\r\n"}, Case{"To: \"open\r\n", "To: \"open\r\n"},
          Case{"To:\r\n", "To:\r\n"}, Case{"To", "To"}, Case{"Subject: ann\r\n", "Subject: ann\r\n"}})
        EXPECT_EQ(filtered(in), out) << in;
}

}  // namespace
}  // namespace policy
