// How the server hands jobs to its delivery helper and reads the answers: a packet with a socket in it for
// each job. The loops share the channel; each uses its own network.
#pragma once

#include "app/delivery_helper.hpp"
#include "app/delivery_job.hpp"
#include "env/loop.hpp"
#include "platform/asio_network.hpp"

#include <chrono>
#include <memory>
#include <string>

namespace app {

constexpr auto helper_step_timeout = std::chrono::minutes(5);  // for the helper to take a frame or to answer

/// A packet with a descriptor in it; 0 or errno. EAGAIN: the helper is busy.
int send_job(int channel, const std::string& job, int descriptor);
/// The job's socket; nullptr: the helper does not take it.
env::Task<std::unique_ptr<env::Stream>> hand_over(env::Loop& loop, platform::AsioNetwork& network,
                                                  int channel, std::string job);
/// What comes until a line ends or the helper closes; the stream is closed.
env::Task<std::string> helper_answer(env::Stream& stream, env::SteadyTime deadline);

}  // namespace app
