#include "mail/mime_splitter.hpp"

#include <algorithm>
#include <gtest/gtest.h>

namespace mail {
namespace {

using Kind = MimePiece::Kind;
using Block = MimePiece::Block;

// "P Subject: x|" a piece: block, kind (h header, e end of header, b body, . passing), text.
std::string cut(std::string_view message, std::size_t step, MimeSplitter::Follow follow,
                MimeSplitterLimits limits = {}) {
    MimeSplitter splitter(follow, limits);
    std::string out, whole;
    const auto drain = [&] {
        while (const auto piece = splitter.next()) {
            out += "PMN"[static_cast<int>(piece->block)];
            out += "heb."[static_cast<int>(piece->kind)];
            for (const char c : piece->text) out += c == '\n' ? '/' : c == '\r' ? '\0' : c;
            std::erase(out, '\0');
            out += '|';
            whole += piece->text;
        }
    };
    for (std::size_t at = 0; at < message.size(); at += step) {
        splitter.feed(message.substr(at, step));
        drain();
    }
    splitter.finish();
    drain();
    EXPECT_EQ(whole, message);
    return out;
}

constexpr std::string_view nested =
    "Content-Type: multipart/mixed;\r\n boundary=\"b\\\"1\"\r\n\r\npreamble\r\n--b\"1\r\nContent-Type: "
    "message/rfc822\r\n"
    "\r\nSubject: in\r\nContent-Type: Multipart/x; boundary=z (c)\r\n\r\n--z\r\nA: b\r\n\r\ntext\r\n--z--\r\n"
    "--b\"1--\r\nend\r\n";

TEST(MimeSplitter, CutsFieldsAndParts) {
    struct Case {
        std::string_view message, pieces;
    };
    for (const auto& [message, pieces] : {
             Case{"A: b\r\nC: d\r\n e\r\n\r\nbody\r\nmore", "PhA: b/|PhC: d/ e/|Pe/|Pbbody/|Pbmore|"},
             Case{"A: b\r\nno field\r\nC: d\r\n", "PhA: b/|Pe|Pbno field/|PbC: d/|"},
             Case{"\r\nbody", "Pe/|Pbbody|"},
             Case{"A: b", "PhA: b|"},
             Case{"A: b\r\n \r\n\r\nx", "PhA: b/ /|Pe/|Pbx|"},
             Case{
                 nested,
                 "PhContent-Type: multipart/mixed;/ boundary=\"b\\\"1\"/|Pe/|Pbpreamble/|Pb--b\"1/|"
                 "MhContent-Type: message/rfc822/|Me/|NhSubject: in/|NhContent-Type: Multipart/x; boundary=z "
                 "(c)/|Ne/|Nb--z/|MhA: b/|Me/|Mbtext/|Mb--z--/|Mb--b\"1--/|Mbend/|"},
         })
        for (const std::size_t step : {1UL, 2UL, 7UL, 1000UL})
            EXPECT_EQ(cut(message, step, MimeSplitter::Follow::Parts), pieces) << step;
}

TEST(MimeSplitter, LeavesWhatIsTooLongAlone) {
    const MimeSplitterLimits limits{10, 8, 3, 1};
    for (const std::size_t step : {1UL, 3UL, 1000UL}) {
        const auto got = cut("A: 0123456789\r\n fold\r\nB: c\r\n\r\n0123456789\r\n", step,
                             MimeSplitter::Follow::Parts, limits);
        EXPECT_EQ(got.find("PhA"), std::string::npos);
        EXPECT_NE(got.find("PhB: c/|Pe/|Pb01234567|Pb89/|"), std::string::npos) << got;
    }
    // A boundary that is too long tells nothing apart; nor do parts too deep.
    const auto flat = cut("Content-Type: multipart/x; boundary=abcd\r\n\r\n--abcd\r\nA: b\r\n", 1000,
                          MimeSplitter::Follow::Parts, {1000, 100, 3, 9});
    EXPECT_NE(flat.find("Pb--abcd/|PbA: b/|"), std::string::npos) << flat;
    const auto deep = cut(nested, 1000, MimeSplitter::Follow::Parts, {1000, 100, 100, 1});
    EXPECT_NE(deep.find("MbSubject: in/|"), std::string::npos) << deep;
}

TEST(MimeSplitter, FollowsNothingWhenNotAsked) {
    const auto got = cut(nested, 1000, MimeSplitter::Follow::Nothing);
    EXPECT_EQ(std::ranges::count(got, '|'), 3) << got;
}

}  // namespace
}  // namespace mail
