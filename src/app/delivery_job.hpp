// What goes between the server and its delivery helper: a job as one line of JSON in a packet that carries a
// socket, the content in frames on that socket, the result as one line of JSON back.
//   frame: four octets, big endian: how many octets follow; 0: the end of the content
#pragma once

#include "accounts/pam_authenticator.hpp"
#include "delivery/agent.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace app {

struct ReadJob {
    delivery::Credentials as;
    std::string path;
};
/// A login that PAM judges; by root, because only root may read everybody's password.
struct PamJob {
    accounts::PamQuestion question;
};
using HelperJob = std::variant<delivery::AgentJob, ReadJob, PamJob>;

constexpr std::size_t helper_job_octets_max = 64 * 1024;
constexpr std::size_t helper_frame_octets_max = 1 << 20;

std::string encode(const HelperJob& job);
/// nullopt: not a job.
std::optional<HelperJob> decode_job(std::string_view text);

struct HelperResult {
    delivery::AgentResult result;
    std::optional<std::string>
        text;  // of a ReadJob that found a file; of a PamJob that let the user in: the name
};
std::string encode(const HelperResult& result);
std::optional<HelperResult> decode_result(std::string_view text);

std::string frame_header(std::size_t octets);

}  // namespace app
