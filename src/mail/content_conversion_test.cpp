#include "mail/content_conversion.hpp"

#include <gtest/gtest.h>

namespace mail {
namespace {

using For = ContentConversion::For;

/// In pieces of `step` octets, so that no piece's end matters.
std::string convert(std::string_view content, For server, std::size_t step, ContentFacts* facts = nullptr) {
    ContentSurvey survey;
    for (std::size_t at = 0; at < content.size(); at += step) survey.feed(content.substr(at, step));
    survey.finish();
    if (facts) *facts = survey.facts();
    ContentConversion conversion(survey, server);
    std::string out;
    for (std::size_t at = 0; at < content.size(); at += step) {
        conversion.feed(content.substr(at, step));
        out += conversion.take();
    }
    conversion.finish();
    return out + conversion.take();
}

struct Case {
    const char* what;
    For server;
    std::string in, out;
};

const std::string parts_in =
    "Content-Type: multipart/mixed;\r\n boundary=\"b 1\"\r\nContent-Transfer-Encoding: 8bit\r\nMIME-Version: "
    "1.0\r\n\r\npre\xc3\xa4mble\r\n--b 1\r\n\r\nplain = 7bit \r\n--b 1\r\nContent-Transfer-Encoding:\r\n "
    "8bit\r\n"
    "X-Kept: yes\r\n\r\nk\xc3\xa4se = 1 \r\n\r\n--b 1\r\nContent-Type: message/rfc822\r\n\r\nSubject: "
    "inner\r\n\r\n"
    "\xe4\r\n--b 1--\r\nepilogue\r\n";
const std::string parts_out =
    "Content-Type: multipart/mixed;\r\n boundary=\"b 1\"\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: "
    "7bit\r\n\r\npre??mble\r\n--b 1\r\n\r\nplain = 7bit \r\n--b 1\r\nX-Kept: yes\r\nContent-Type: "
    "text/plain; "
    "charset=unknown-8bit\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nk=C3=A4se =3D "
    "1=20\r\n\r\n--b 1\r\n"
    "Content-Type: message/rfc822\r\n\r\nSubject: inner\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; "
    "charset=unknown-8bit\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=E4\r\n--b "
    "1--\r\nepilogue\r\n";

const Case cases[] = {
    {"nothing to do", For::SevenBit, "Subject: x\r\n\r\nhello =\r\n", "Subject: x\r\n\r\nhello =\r\n"},
    {"labelled 8bit, but plain: a signature over it must hold", For::SevenBit,
     "Content-Transfer-Encoding: 8bit\r\n\r\nhello =\r\n",
     "Content-Transfer-Encoding: 8bit\r\n\r\nhello =\r\n"},
    {"text", For::SevenBit,
     "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\ncontent-transfer-encoding: 8BIT\r\n\r\n"
     "gr\xc3\xbc\xc3\x9f\r\n",
     "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
     "quoted-printable\r\n\r\ngr=C3=BC=C3=9F\r\n"},
    {"no header at all", For::SevenBit, "\r\n\xff\r\n",
     "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\nContent-Transfer-Encoding: "
     "quoted-printable\r\n\r\n=FF\r\n"},
    {"no line end at the end", For::SevenBit, "MIME-Version: 1.0\r\nContent-Type: text/x\r\n\r\n\xff ",
     "MIME-Version: 1.0\r\nContent-Type: text/x\r\nContent-Transfer-Encoding: "
     "quoted-printable\r\n\r\n=FF=20"},
    {"parts", For::SevenBit, parts_in, parts_out},
    {"what the server takes stays", For::EightBit, "Content-Transfer-Encoding: 8bit\r\n\r\n\xe4\r\n",
     "Content-Transfer-Encoding: 8bit\r\n\r\n\xe4\r\n"},
    {"binary", For::EightBit,
     std::string("MIME-Version: 1.0\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: "
                 "binary\r\n\r\na\0b\rc\nd\r\n",
                 88),
     "MIME-Version: 1.0\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
     "a=00b=0Dc=0Ad\r\n"},
    {"encoded already, if wrongly", For::SevenBit,
     "Content-Transfer-Encoding: quoted-printable\r\n\r\n\xe4=20\r\n",
     "Content-Transfer-Encoding: quoted-printable\r\n\r\n\xe4=20\r\n"},
    {"the outer boundary ends the inner part", For::SevenBit,
     "Content-Type: multipart/a; boundary=o\r\n\r\n--o\r\nContent-Type: multipart/b; "
     "boundary=i\r\n\r\n--i\r\n\r\nx\r\n"
     "--o\r\nContent-Type: text/plain\r\n\r\n\xe4\r\n--o--\r\n",
     "Content-Type: multipart/a; boundary=o\r\n\r\n--o\r\nContent-Type: multipart/b; "
     "boundary=i\r\n\r\n--i\r\n\r\nx\r\n"
     "--o\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: "
     "quoted-printable\r\n\r\n=E4\r\n--o--\r\n"},
};

TEST(ContentConversion, Cases) {
    for (const auto& one : cases)
        for (const std::size_t step : {1, 2, 7, 1000})
            EXPECT_EQ(convert(one.in, one.server, step), one.out) << one.what << ", pieces of " << step;
}

TEST(ContentConversion, LinesStayShort) {
    const std::string content = "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n" +
                                std::string(100'000, '\xe4') + std::string(100'000, ' ') + "\r\n";
    for (const std::size_t step : {1, 4096, 300'000}) {
        const std::string out = convert(content, For::SevenBit, step);
        std::size_t begin = 0, decoded = 0;
        for (auto end = out.find("\r\n"); end != std::string::npos; end = out.find("\r\n", begin)) {
            EXPECT_LE(end - begin, 76U);
            begin = end + 2;
        }
        EXPECT_EQ(begin, out.size());
        const auto body = out.substr(out.find("\r\n\r\n") + 4);
        for (std::size_t i = 0; i < body.size(); ++i) {
            if (body[i] == '=' && body[i + 1] == '\r') {
                i += 2;
            } else {
                ++decoded;
                if (body[i] == '=') i += 2;
            }
        }
        EXPECT_EQ(decoded, 200'002U);
    }
}

TEST(ContentSurvey, Facts) {
    ContentFacts facts;
    convert("Subject: gr\xc3\xbc\xc3\x9f\r\n\r\nplain\r\n", For::SevenBit, 3, &facts);
    EXPECT_TRUE(facts.header_eight_bit);
    EXPECT_FALSE(facts.body_eight_bit || facts.binary);
    convert("Subject: x\r\n\r\n" + std::string(999, 'x') + "\r\n", For::SevenBit, 1000, &facts);
    EXPECT_TRUE(facts.binary);
    convert("Subject: x\r\n\r\n" + std::string(998, 'x') + "\r\n", For::SevenBit, 1000, &facts);
    EXPECT_FALSE(facts.binary || facts.header_eight_bit);
    std::string many = "Content-Type: multipart/a; boundary=o\r\n\r\n";
    for (int i = 0; i < 20'000; ++i) many += "--o\r\n\r\nx\r\n";
    convert(many, For::SevenBit, 5000, &facts);
    EXPECT_TRUE(facts.too_many_parts);
}

}  // namespace
}  // namespace mail
