// What a load balancer says in front of a connection: every prefix waits for more, nothing odd is believed.
#include "server/proxy_protocol.hpp"

#include <gtest/gtest.h>
#include <string>

namespace server {
namespace {

using Kind = ProxyHeader::Kind;

std::string v2(unsigned char command, unsigned char family, std::string body) {
    std::string out("\r\n\r\n\0\r\nQUIT\n", 12);
    out += static_cast<char>(command);
    out += static_cast<char>(family);
    out += static_cast<char>(body.size() >> 8);
    out += static_cast<char>(body.size() & 255);
    return out + body;
}
const std::string ipv4_body("\xc0\x00\x02\x07\xc0\x00\x02\x01\x30\x39\x00\x19", 12);

TEST(ProxyProtocol, TakesBothVersions) {
    struct Case {
        std::string header;
        Kind kind;
        std::string client;
    };
    const Case cases[] = {
        {"PROXY TCP4 192.0.2.7 192.0.2.1 12345 25\r\n", Kind::Proxied, "192.0.2.7:12345"},
        {"PROXY TCP6 2001:db8::7 2001:db8::1 12345 25\r\n", Kind::Proxied, "[2001:db8::7]:12345"},
        {"PROXY UNKNOWN\r\n", Kind::Local, ""},
        {"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", Kind::Local, ""},
        {v2(0x21, 0x11, ipv4_body), Kind::Proxied, "192.0.2.7:12345"},
        {v2(0x21, 0x11, ipv4_body + std::string("\x04\x00\x01x", 4)), Kind::Proxied, "192.0.2.7:12345"},
        {v2(0x20, 0x00, ""), Kind::Local, ""},
        {v2(0x21, 0x00, ""), Kind::Local, ""},
        {v2(0x21, 0x21,
            std::string("\x20\x01\x0d\xb8", 4) + std::string(11, '\0') + "\x07" + std::string(16, '\1') +
                std::string("\0\x19\0\x19", 4)),
         Kind::Proxied, "[2001:db8::7]:25"},
    };
    for (const auto& c : cases) {
        for (std::size_t i = 0; i < c.header.size(); ++i)
            EXPECT_EQ(parse_proxy_header(c.header.substr(0, i)).kind, Kind::More) << c.header << i;
        // Reading only what is wanted never takes an octet of what follows.
        std::string read;
        for (auto step = parse_proxy_header(read); step.kind == Kind::More; step = parse_proxy_header(read)) {
            ASSERT_GT(step.wanted, 0U);
            ASSERT_LE(read.size() + step.wanted, c.header.size()) << c.header;
            read = c.header.substr(0, read.size() + step.wanted);
        }
        EXPECT_EQ(read, c.header);
        const auto got = parse_proxy_header(c.header + "EHLO x\r\n");
        EXPECT_EQ(got.kind, c.kind) << c.header;
        EXPECT_EQ(got.size, c.header.size());
        if (c.kind == Kind::Proxied) {
            EXPECT_EQ(got.client.text(), c.client);
        }
    }
}

TEST(ProxyProtocol, BelievesNothingElse) {
    const std::string cases[] = {
        "EHLO client.example\r\n",
        "PROXY TCP4 192.0.2.7 192.0.2.1 12345\r\n",
        "PROXY TCP4 2001:db8::7 2001:db8::1 12345 25\r\n",
        "PROXY TCP6 192.0.2.7 192.0.2.1 12345 25\r\n",
        "PROXY TCP4 192.0.2.7 192.0.2.1 99999 25\r\n",
        "PROXY TCP4 192.0.2.7 192.0.2.1 012 25\r\n",
        "PROXY TCP4  192.0.2.7 192.0.2.1 1 25\r\n",
        "PROXY TCP4 192.0.2.7 192.0.2.1 1 25\n",
        "PROXY TCP4 " + std::string(120, '1'),
        v2(0x11, 0x11, ipv4_body),
        v2(0x22, 0x11, ipv4_body),
        v2(0x21, 0x11, "short"),
        v2(0x21, 0x12, ipv4_body),
        v2(0x21, 0x11, std::string(600, 'x')),
        std::string("\r\n\r\n\0\r\nQUIT\r", 12),
    };
    for (const auto& text : cases) EXPECT_EQ(parse_proxy_header(text).kind, Kind::Malformed) << text;
}

}  // namespace
}  // namespace server
