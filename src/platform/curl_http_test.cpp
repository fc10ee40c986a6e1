#include "platform/curl_http.hpp"

#include "platform/system.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace platform {
namespace {

/// Answers one connection after the other with the same octets, until the test ends; keeps what it was asked.
class CannedServer {
 public:
    explicit CannedServer(std::string answer) : answer_(std::move(answer)) {
        listening_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof at;
        EXPECT_EQ(::bind(listening_, reinterpret_cast<sockaddr*>(&at), size), 0);
        EXPECT_EQ(::listen(listening_, 8), 0);
        EXPECT_EQ(::getsockname(listening_, reinterpret_cast<sockaddr*>(&at), &size), 0);
        port_ = ntohs(at.sin_port);
        thread_ = std::thread([this] { serve(); });
    }
    ~CannedServer() {
        ::shutdown(listening_, SHUT_RDWR);
        thread_.join();
        ::close(listening_);
    }
    std::string url(std::string_view scheme = "http") const {
        return fmt::format("{}://127.0.0.1:{}/x", scheme, port_);
    }
    std::string asked;  // read it after fetch_blocking()

 private:
    void serve() {
        for (;;) {
            const int peer = ::accept(listening_, nullptr, nullptr);
            if (peer < 0) return;
            char piece[4096];
            asked.clear();
            ssize_t got = 0;
            while (asked.find("\r\n\r\n") == std::string::npos &&
                   (got = ::read(peer, piece, sizeof piece)) > 0)
                asked.append(piece, static_cast<std::size_t>(got));
            // An empty answer is silence: until the other side has had enough.
            if (answer_.empty())
                while (::read(peer, piece, sizeof piece) > 0) {
                }
            static_cast<void>(::send(peer, answer_.data(), answer_.size(), MSG_NOSIGNAL) + 0);
            ::close(peer);
        }
    }
    std::string answer_;
    int listening_ = -1;
    std::uint16_t port_ = 0;
    std::thread thread_;
};

env::HttpRequest get(const std::string& url) {
    env::HttpRequest out;
    out.url = url;
    return out;
}

TEST(CurlHttp, AnswersAreWholeAndHeadersLowerCase) {
    CannedServer server("HTTP/1.1 400 Bad\r\nReplay-Nonce:  abc \r\nContent-Length: 4\r\n\r\nbody");
    auto request = get(server.url());
    request.method = "POST";
    request.body = "asked";
    request.headers = {{"Content-Type", "application/jose+json"}};
    const auto answer = fetch_blocking(request);
    ASSERT_TRUE(answer) << answer.error();
    EXPECT_EQ(answer->status, 400);
    EXPECT_EQ(answer->header("replay-nonce"), "abc");
    EXPECT_EQ(answer->header("missing"), "");
    EXPECT_EQ(answer->body, "body");
    EXPECT_NE(server.asked.find("Content-Type: application/jose+json\r\n"), std::string::npos);
    EXPECT_TRUE(server.asked.starts_with("POST /x HTTP/1.1\r\n"));
}

TEST(CurlHttp, RedirectsAreNotFollowed) {
    CannedServer server("HTTP/1.1 302 There\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
    const auto answer = fetch_blocking(get(server.url()));
    ASSERT_TRUE(answer) << answer.error();
    EXPECT_EQ(answer->status, 302);
}

TEST(CurlHttp, TooLongTooLateNotTrustedNotThere) {
    const CannedServer server("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789");
    auto request = get(server.url());
    request.answer_octets_max = 9;
    auto answer = fetch_blocking(request);
    ASSERT_FALSE(answer);
    EXPECT_NE(answer.error().find("too long"), std::string::npos) << answer.error();
    request.answer_octets_max = 10;
    EXPECT_TRUE(fetch_blocking(request));
    request.url = server.url("https");
    request.timeout = std::chrono::seconds(1);
    EXPECT_FALSE(fetch_blocking(request));                    // it speaks no TLS
    EXPECT_FALSE(fetch_blocking(get("file:///etc/passwd")));  // no other protocol
    EXPECT_FALSE(fetch_blocking(get("http://127.0.0.1:1/")));
    const CannedServer silent("");
    request = get(silent.url());
    request.timeout = std::chrono::seconds(1);
    EXPECT_FALSE(fetch_blocking(request));
    const CannedServer chatty("HTTP/1.1 200 OK\r\nX: " + std::string(70000, 'a') + "\r\n\r\n");
    EXPECT_FALSE(fetch_blocking(get(chatty.url())));
}

}  // namespace
}  // namespace platform
