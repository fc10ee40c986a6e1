// Which sessions the postmaster hears of.
#include "server/session_record.hpp"

#include <gtest/gtest.h>

namespace server {
namespace {

using During = SessionRecord::During;
using Kind = mail::ErrorClass;

TEST(SessionRecord, KindsOfTrouble) {
    struct Case {
        std::string_view reply;
        During during;
        std::optional<Kind> kind;
    };
    for (const auto& [reply, during, kind] :
         {Case{"250 2.1.0 Ok", During::Commands, std::nullopt},
          Case{"354 End data with <CR><LF>.<CR><LF>", During::Content, std::nullopt},
          Case{"502 5.5.2 Error: command not recognized", During::Commands, Kind::Protocol},
          Case{"503 5.5.1 Error: need RCPT command", During::Commands, Kind::Protocol},
          Case{"501 5.1.7 Bad sender address syntax", During::Commands, Kind::Protocol},
          Case{"554 5.5.1 Error: no valid recipients", During::Commands, Kind::Protocol},
          Case{"550 5.1.1 <x@y>: Recipient address rejected: User unknown", During::Commands, Kind::Bounce},
          Case{"552 5.3.4 Error: message file too big", During::Content, Kind::Bounce},
          Case{"552 5.3.4 Message size exceeds fixed limit", During::Commands, Kind::Policy},
          Case{"454 4.7.1 <x@y>: Relay access denied", During::Commands, Kind::Policy},
          Case{"450 4.1.8 <x@y>: Sender address rejected: Domain not found", During::Commands, Kind::Policy},
          Case{"421 4.7.0 mx Error: too many errors", During::Commands, Kind::Policy},
          Case{"421 4.4.2 mx Error: timeout exceeded", During::Commands, std::nullopt},
          Case{"421 4.3.2 mx Service shutting down", During::Commands, std::nullopt},
          Case{"535 5.7.8 Error: authentication failed", During::Commands, std::nullopt},
          Case{"454 4.7.0 Temporary authentication failure", During::Commands, std::nullopt},
          Case{"452 4.3.1 Insufficient system storage", During::Content, Kind::Resource},
          Case{"451 4.3.0 Error: queue file write error", During::Content, Kind::Resource},
          Case{"451 4.3.0 <x@y>: Temporary lookup failure", During::Commands, Kind::Data},
          Case{"451 4.3.5 Server configuration error", During::Commands, Kind::Software}})
        EXPECT_EQ(error_class(reply, during), kind) << reply;
}

mail::ErrorClasses of(std::initializer_list<std::string_view> lines) {
    SessionRecord record("double-bounce");
    for (const auto line : lines) {
        if (line.find_first_of("0123456789") == 0)
            record.replies(line, During::Commands);
        else
            record.command(line, smtp::Transcript::Meaning::Command);
    }
    return record.errors();
}

TEST(SessionRecord, NothingAboutNotices) {
    EXPECT_TRUE(of({"MAIL FROM:<a@b>", "250 ok", "RCPT TO:<c@d>", "550 5.7.1 no\r\n"}).has(Kind::Policy));
    EXPECT_TRUE(of({"MAIL FROM:<>", "250 ok", "RCPT TO:<c@d>", "550 5.7.1 no\r\n"}).empty());
    EXPECT_TRUE(of({"mail from:<Double-Bounce@b>", "550 5.7.1 no\r\n"}).empty());
    EXPECT_FALSE(of({"MAIL FROM:<>", "250 ok", "RSET", "FROB", "502 5.5.2 what"}).empty());
    EXPECT_FALSE(of({"MAIL FROM:<>", "250 ok", "MAIL FROM:<a@b>", "550 5.7.1 no\r\n"}).empty());
}

TEST(SessionRecord, ForgetsWhatWentWell) {
    SessionRecord record("double-bounce");
    record.command("MAIL FROM:<a@b>", smtp::Transcript::Meaning::Command);
    record.message_done();
    EXPECT_EQ(record.text().find("MAIL"), std::string::npos);
    record.command("FROB", smtp::Transcript::Meaning::Command);
    record.replies("502-5.5.2 what\r\n502 5.5.2 was that?\r\n", During::Commands);
    record.message_done();
    EXPECT_NE(record.text().find("FROB"), std::string::npos);
}

}  // namespace
}  // namespace server
