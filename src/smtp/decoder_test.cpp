// Line and dot decoding: the same result however the octets are cut, and no way to smuggle a message.
#include "smtp/dot_decoder.hpp"
#include "smtp/line_decoder.hpp"
#include "smtp/reply_parser.hpp"

#include <gtest/gtest.h>

namespace smtp {
namespace {

struct Decoded {
    std::string content;
    std::string rest;
    bool finished = false;
    bool bare_newline = false;
};

Decoded decode(const std::vector<std::string>& pieces) {
    DotDecoder decoder;
    Decoded out;
    for (const auto& piece : pieces) {
        if (out.finished) {
            out.rest += piece;
            continue;
        }
        std::string_view left = piece;
        while (!left.empty() && !out.finished) {
            const auto result = decoder.decode(left, out.content);
            out.finished = result.finished;
            left.remove_prefix(result.consumed);
            if (result.consumed == 0) break;
        }
        if (out.finished) out.rest += left;
    }
    out.bare_newline = decoder.bare_newline_seen();
    return out;
}

struct Case {
    std::string wire;
    std::string content;
    std::string rest;
};
const Case cases[] = {
    {"hello\r\n.\r\n", "hello\r\n", ""},
    {".\r\n", "", ""},
    {"..\r\n.\r\nQUIT\r\n", ".\r\n", "QUIT\r\n"},
    {".x\r\n.\r\n", "x\r\n", ""},
    {"a\r\n..b\r\n\r\n.\r\nRSET\r\n", "a\r\n.b\r\n\r\n", "RSET\r\n"},
    // No end of data but CRLF.CRLF (the smuggling forms):
    {"a\n.\nMAIL FROM:<x>\r\n.\r\n", "a\r\n.\r\nMAIL FROM:<x>\r\n", ""},
    {"a\n.\r\nMAIL FROM:<x>\r\n.\r\n", "a\r\n.\r\nMAIL FROM:<x>\r\n", ""},
    {"a\r\n.\nMAIL FROM:<x>\r\n.\r\n", "a\r\n.\r\nMAIL FROM:<x>\r\n", ""},
    {"a\r.\r\nMAIL FROM:<x>\r\n.\r\n", "a .\r\nMAIL FROM:<x>\r\n", ""},
    {"a\r\n.\rMAIL FROM:<x>\r\n.\r\n", "a\r\n MAIL FROM:<x>\r\n", ""},
};

TEST(DotDecoder, TheSameHoweverTheOctetsAreCut) {
    for (const auto& c : cases) {
        const Decoded whole = decode({c.wire});
        EXPECT_TRUE(whole.finished) << c.wire;
        EXPECT_EQ(whole.rest, c.rest) << c.wire;
        for (std::size_t i = 0; i <= c.wire.size(); ++i)
            for (std::size_t j = i; j <= c.wire.size(); ++j) {
                const Decoded got = decode({c.wire.substr(0, i), c.wire.substr(i, j - i), c.wire.substr(j)});
                EXPECT_EQ(got.content, whole.content) << c.wire << " cut at " << i << ", " << j;
                EXPECT_EQ(got.rest, whole.rest) << c.wire << " cut at " << i << ", " << j;
            }
    }
}

TEST(DotDecoder, ContentHasOnlyCrlfAndTheEndIsWhereItShouldBe) {
    for (const auto& c : cases) {
        const Decoded got = decode({c.wire});
        EXPECT_EQ(got.content, c.content) << c.wire;
        for (std::size_t i = 0; i < got.content.size(); ++i) {
            if (got.content[i] == '\n') {
                EXPECT_TRUE(i > 0 && got.content[i - 1] == '\r') << c.wire;
            }
            if (got.content[i] == '\r') {
                EXPECT_TRUE(i + 1 < got.content.size() && got.content[i + 1] == '\n') << c.wire;
            }
        }
    }
}

TEST(DotDecoder, SaysWhetherABareNewlineWasSeen) {
    EXPECT_FALSE(decode({"a\r\n.\r\n"}).bare_newline);
    EXPECT_TRUE(decode({"a\nb\r\n.\r\n"}).bare_newline);
}

TEST(DotEncoder, DecoderUndoesItForEveryCut) {
    const std::string content = ".a\r\n..\r\n.\r\nb\r\n\r\n.";
    for (std::size_t cut = 0; cut <= content.size(); ++cut) {
        DotEncoder encoder;
        std::string wire;
        encoder.encode(content.substr(0, cut), wire);
        encoder.encode(content.substr(cut), wire);
        encoder.finish(wire);
        const Decoded got = decode({wire});
        EXPECT_TRUE(got.finished);
        EXPECT_EQ(got.content, content + "\r\n") << cut;
    }
}

TEST(DotEncoder, AStrayLineEndNeverEndsTheMessage) {
    for (const auto* content : {"a\n.\nb", "a\r.\rb", "a\n.\r\nb", "a\r\n.\nb"}) {
        DotEncoder encoder;
        std::string wire;
        encoder.encode(content, wire);
        encoder.finish(wire);
        const Decoded got = decode({wire});
        EXPECT_EQ(got.rest, "") << content;
        EXPECT_EQ(wire.find("\r\n.\r\n"), wire.size() - 5) << content;
    }
}

// What the encoder is to do, octet by octet.
std::string plainly_encoded(const std::string& content) {
    std::string out;
    bool at_line_start = true;
    for (std::size_t i = 0; i < content.size(); ++i) {
        if (content.substr(i, 2) == "\r\n") {
            out += "\r\n";
            at_line_start = true;
            ++i;
            continue;
        }
        const bool stray = content[i] == '\r' || content[i] == '\n';
        if (at_line_start && content[i] == '.') out += '.';
        out += stray ? ' ' : content[i];
        at_line_start = false;
    }
    return out + (at_line_start ? ".\r\n" : "\r\n.\r\n");
}

TEST(DotEncoder, EveryShortContentCutAnywhere) {
    const std::string alphabet = "a.\r\n";
    for (std::size_t number = 0; number < 4096; ++number) {
        std::string content;
        for (std::size_t i = 0; i < 6; ++i) content += alphabet[(number >> (2 * i)) & 3U];
        for (std::size_t size = 0; size <= content.size(); ++size) {
            for (std::size_t cut = 0; cut <= size; ++cut) {
                DotEncoder encoder;
                std::string wire;
                encoder.encode(std::string_view(content).substr(0, cut), wire);
                encoder.encode(std::string_view(content).substr(cut, size - cut), wire);
                encoder.finish(wire);
                ASSERT_EQ(wire, plainly_encoded(content.substr(0, size)))
                    << number << ' ' << size << ' ' << cut;
            }
        }
    }
}

TEST(LineDecoder, LinesHoweverTheyArrive) {
    const std::string input = "EHLO a\r\nNOOP\nQUIT\r\n";
    for (std::size_t cut = 0; cut <= input.size(); ++cut) {
        LineDecoder decoder(100);
        std::vector<std::string> lines;
        std::vector<bool> bare;
        for (const auto& piece : {input.substr(0, cut), input.substr(cut)}) {
            std::string_view left = piece;
            for (;;) {
                const auto result = decoder.next(left);
                left.remove_prefix(result.consumed);
                if (result.kind != LineDecoder::Kind::Line) break;
                lines.emplace_back(result.line);
                bare.push_back(result.bare_newline);
            }
        }
        EXPECT_EQ(lines, (std::vector<std::string>{"EHLO a", "NOOP", "QUIT"})) << cut;
        EXPECT_EQ(bare, (std::vector<bool>{false, true, false})) << cut;
    }
}

TEST(LineDecoder, ALongLineIsOneErrorAndItsRestIsNoCommand) {
    LineDecoder decoder(10);
    const std::string input = std::string(50, 'x') + "\r\nQUIT\r\n";
    auto result = decoder.next(input);
    EXPECT_EQ(result.kind, LineDecoder::Kind::TooLong);
    std::string_view left = std::string_view(input).substr(result.consumed);
    for (;;) {
        result = decoder.next(left);
        left.remove_prefix(result.consumed);
        if (result.kind != LineDecoder::Kind::TooLong) break;
    }
    ASSERT_EQ(result.kind, LineDecoder::Kind::Line);
    EXPECT_EQ(result.line, "QUIT");
}

TEST(ReplyParser, SeveralLinesAndHostileOnes) {
    ReplyParser parser;
    std::size_t used = 0;
    const std::string wire = "250-mx.example\r\n250-SIZE\r\n250 HELP\r\n354 go\r\n";
    ASSERT_EQ(parser.feed(wire, used), ReplyParser::Result::Complete);
    const Reply reply = parser.take();
    EXPECT_EQ(reply.code, 250);
    EXPECT_EQ(reply.lines.size(), 3);
    EXPECT_EQ(wire.substr(used), "354 go\r\n");
    for (const auto* wrong :
         {"hello\r\n", "25\r\n", "999 x\r\n", "250-a\r\n550 b\r\n", "2500 x\r\n", "099 x\r\n"}) {
        ReplyParser other;
        EXPECT_EQ(other.feed(wrong, used), ReplyParser::Result::Malformed) << wrong;
    }
    ReplyParser endless;
    std::string line = "250-";
    line.append(100000, 'x');
    EXPECT_EQ(endless.feed(line, used), ReplyParser::Result::Malformed);
}

}  // namespace
}  // namespace smtp
