// Quarantined mail on its way to an LMTP server that files by recipient detail: ann@example.org becomes
// ann+Junk@example.org (dmarc_junk_lmtp_detail). Stands before an lmtp transport.
#pragma once

#include "base/parameter.hpp"
#include "queue/transport.hpp"

#include <memory>
#include <string>

namespace delivery {

struct JunkDetailOptions {
    std::string detail, delimiter;
    static constexpr void describe(auto& parameter) {
        using base::Default;
        parameter(
            "dmarc_junk_lmtp_detail", &JunkDetailOptions::detail, Default{""},
            "What is put behind the local part (and recipient_delimiter) of quarantined mail that an LMTP "
            "server takes, such as Junk; empty: nothing.");
        parameter("recipient_delimiter", &JunkDetailOptions::delimiter, Default{""},
                  "What separates user and extension (user+ext).");
    }
};

class JunkDetailTransport : public queue::Transport {
 public:
    JunkDetailTransport(std::unique_ptr<queue::Transport> onward, JunkDetailOptions options)
        : onward_(std::move(onward)), options_(std::move(options)) {}
    env::Task<queue::DeliveryReport> deliver(queue::DeliveryRequest request) override {
        const bool wanted = request.envelope->junk && !options_.detail.empty() && !options_.delimiter.empty();
        for (auto& recipient : request.recipients) {
            auto& local_part = recipient.address.local_part;
            // Who has a detail already asked for a folder of his own.
            if (wanted && local_part.find_first_of(options_.delimiter) == std::string::npos)
                local_part += options_.delimiter.substr(0, 1) + options_.detail;
        }
        return onward_->deliver(std::move(request));
    }

 private:
    std::unique_ptr<queue::Transport> onward_;
    JunkDetailOptions options_;
};

}  // namespace delivery
