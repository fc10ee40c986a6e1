// pipe(8): mail handed to a program, as a line of master.cf says: flags=, user=, argv=, ….
#pragma once

#include "base/parameter.hpp"
#include "delivery/agent.hpp"
#include "env/clock.hpp"
#include "env/file_system.hpp"
#include "queue/transport.hpp"

#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

namespace delivery {

struct PipeOptions {
    std::string recipient_delimiter;
    std::chrono::seconds command_time_limit{1000};
    static constexpr void describe(auto& parameter) {
        using namespace std::chrono_literals;
        using O = PipeOptions;
        using base::Between;
        using base::Default;
        parameter("recipient_delimiter", &O::recipient_delimiter, Default{""},
                  "What separates user and extension (user+ext).");
        parameter("command_time_limit", &O::command_time_limit, Between{1s, 86400s}, Default{"1000s"},
                  "How long a command may take.");
    }
};

/// The attributes behind "pipe" in master.cf.
struct PipeCommand {
    std::string service;  // its master.cf name
    std::string user, group;
    std::string directory;
    std::string null_sender = "MAILER-DAEMON";
    std::vector<std::string> argv;
    std::uint64_t size_limit = 0;  // octets; 0: none
    bool crlf = false;             // eol=\r\n
    bool blank_line = false;       // B
    bool delivered_to = false;     // D
    bool from_line = false;        // F
    bool original_to = false;      // O
    bool return_path = false;      // R
    bool final_stop = false;       // X: the recipient's mailbox, not another mail system
    bool lower_domain = false;     // h
    bool lower_user = false;       // u
    bool quote = false;            // q
    bool stuff_dots = false;       // .
    bool quote_from = false;       // >
};
/// Error: which attribute is wrong, and how it reads.
std::expected<PipeCommand, std::string> parse_pipe_command(std::string service,
                                                           const std::vector<std::string>& arguments);

/// The command line for these recipients: an argument that names one of them stands there once for each.
std::vector<std::string> pipe_arguments(const PipeCommand& command, const queue::DeliveryRequest& request,
                                        const std::vector<mail::Recipient>& recipients,
                                        std::string_view recipient_delimiter);

class PipeTransport : public queue::Transport {
 public:
    struct Services {
        env::UserDatabase& users;
        env::Clock& clock;
        Agent& agent;
    };
    /// `service`, `arguments`: of the line in master.cf.
    static std::expected<std::unique_ptr<PipeTransport>, std::string> make(
        std::string service, const std::vector<std::string>& arguments, PipeOptions options,
        Services services);
    env::Task<queue::DeliveryReport> deliver(queue::DeliveryRequest request) override;

 private:
    PipeTransport(PipeCommand command, PipeOptions options, Services services)
        : command_(std::move(command)), options_(std::move(options)), services_(services) {}
    env::Task<queue::RecipientResult> run(queue::DeliveryRequest& request,
                                          std::vector<mail::Recipient> recipients);
    queue::RecipientResult result_of(AgentResult done) const;
    std::string prefix_for(const queue::DeliveryRequest& request, const mail::Recipient& recipient) const;
    PipeCommand command_;
    PipeOptions options_;
    Services services_;
};

}  // namespace delivery
