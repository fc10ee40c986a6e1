// Where events become log lines: a thread of its own, so that a slow disk never holds a connection. The queue
// is bounded; what does not fit is counted and the count is logged. Thread-safe.
#pragma once

#include "base/event.hpp"
#include "env/clock.hpp"

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace platform {

struct LogSettings {
    enum class Target { Stdout, File, Syslog } target = Target::Stdout;
    std::string path;  // of a file
    bool json = false;
    std::string host_name;  // for the traditional time stamp
    std::string syslog_name = "postrider";
    std::size_t waiting_max = 100'000;  // events
};

class LogWriter : public base::EventSink {
 public:
    LogWriter(LogSettings settings, const env::Clock& clock);
    /// Writes what is waiting.
    ~LogWriter() override;
    void emit(base::Event event) override;
    /// Opens the file anew (after rotation).
    void reopen();
    /// After a fork or a change of user the descriptor stays; after changed settings a new writer is made.
    const LogSettings& settings() const { return settings_; }

 private:
    struct Waiting {
        base::Event event;
        env::WallTime at;
    };
    void run();
    void open_target();
    void write_out(const std::string& bytes);
    LogSettings settings_;
    const env::Clock& clock_;
    int descriptor_ = -1;
    std::mutex mutex_;  // guards what follows
    std::condition_variable wake_;
    std::vector<Waiting> waiting_;
    std::size_t dropped_ = 0;
    bool stopping_ = false;
    bool reopen_ = false;
    bool sleeping_ = false;
    std::thread thread_;
};

}  // namespace platform
