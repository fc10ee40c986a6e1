// Where quarantined mail goes: the Junk folder of a Maildir, the recipient's detail over LMTP.
#include "delivery/junk_detail.hpp"
#include "delivery/virtual_transport.hpp"

#include <gtest/gtest.h>

namespace delivery {
namespace {

TEST(Junk, FoldersOfMailboxes) {
    mail::Envelope good, junk;
    junk.junk = true;
    EXPECT_EQ(mailbox_folder("/mail/ann/", junk, "Junk"), "/mail/ann/.Junk/");
    EXPECT_EQ(mailbox_folder("/mail/ann/", junk, "Mail.Junk"), "/mail/ann/.Mail.Junk/");
    EXPECT_EQ(mailbox_folder("/mail/ann/", good, "Junk"), "/mail/ann/");
    EXPECT_EQ(mailbox_folder("/mail/ann", junk, "Junk"), "/mail/ann");  // mbox
    EXPECT_EQ(mailbox_folder("/mail/ann/", junk, ""), "/mail/ann/");
    for (const auto* name : {"Junk", "Mail.Junk", "", "Bulk mail", "&AOQ-"})
        EXPECT_TRUE(check_junk_folder(name)) << name;
    for (const auto* name : {"../Junk", "a/b", "/Junk", ".Junk", "a..b", "Junk.", "a\nb"})
        EXPECT_FALSE(check_junk_folder(name)) << name;
}

struct Heard : queue::Transport {
    explicit Heard(std::vector<std::string>& to) : recipients(to) {}
    env::Task<queue::DeliveryReport> deliver(queue::DeliveryRequest request) override {
        for (const auto& one : request.recipients) recipients.push_back(one.address.text());
        queue::DeliveryReport out;
        out.recipients.resize(request.recipients.size());
        co_return out;
    }
    std::vector<std::string>& recipients;
};

TEST(Junk, DetailOverLmtp) {
    struct Case {
        bool junk;
        JunkDetailOptions options;
        std::vector<std::string> heard;
    };
    for (const auto& c : {Case{true, {"Junk", "+"}, {"ann+Junk@example.org", "bob+own@example.org"}},
                          Case{true, {"Junk", "-+"}, {"ann-Junk@example.org", "bob+own@example.org"}},
                          Case{true, {"", "+"}, {"ann@example.org", "bob+own@example.org"}},
                          Case{true, {"Junk", ""}, {"ann@example.org", "bob+own@example.org"}},
                          Case{false, {"Junk", "+"}, {"ann@example.org", "bob+own@example.org"}}}) {
        std::vector<std::string> heard;
        JunkDetailTransport transport(std::make_unique<Heard>(heard), c.options);
        queue::DeliveryRequest request;
        auto envelope = std::make_shared<mail::Envelope>();
        envelope->junk = c.junk;
        request.envelope = envelope;
        for (const auto* name : {"ann", "bob+own"}) {
            mail::Recipient recipient;
            recipient.address = {name, "example.org"};
            request.recipients.push_back(recipient);
        }
        const auto report = env::run_now(transport.deliver(std::move(request)));
        EXPECT_EQ(report.recipients.size(), 2U);
        EXPECT_EQ(heard, c.heard);
    }
}

}  // namespace
}  // namespace delivery
