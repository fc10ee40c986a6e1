// Reading a message's header while it streams by: what a server must know of it (hop count, Message-ID, which
// fields are there), in bounded memory, at no cost once the header has ended. RFC 5322 §2.2, tolerant as RFC
// 7103 says.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mail {

struct HeaderLimits {
    std::size_t line_octets_kept = 1024;  // of each line; the rest is counted, not kept
    std::size_t delivered_to_max = 100;
};

class HeaderScanner {
 public:
    explicit HeaderScanner(HeaderLimits limits = {}) : limits_(limits) {}
    /// The next octets of the message (CRLF line ends; a bare LF ends a line too).
    void feed(std::string_view octets);
    /// After the last octet.
    void finish();
    bool ended() const { return ended_; }
    std::size_t received_count() const { return received_; }
    /// With its angle brackets; empty: none.
    const std::string& message_id() const { return message_id_; }
    bool has_from() const { return from_; }
    bool has_date() const { return date_; }
    bool has_recipients() const { return recipients_; }
    bool is_resent() const { return resent_; }
    const std::vector<std::string>& delivered_to() const { return delivered_to_; }

 private:
    void line();
    HeaderLimits limits_;
    std::string line_;
    bool ended_ = false;
    std::size_t received_ = 0;
    std::string message_id_;
    bool expect_message_id_ = false;  // "Message-ID:" with its value on the next line
    bool from_ = false, date_ = false, recipients_ = false, resent_ = false;
    std::vector<std::string> delivered_to_;
};

}  // namespace mail
