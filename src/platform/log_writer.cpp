#include "platform/log_writer.hpp"

#include "platform/postfix_log.hpp"
#include "platform/system.hpp"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace platform {
namespace {

int syslog_socket() {
    const int descriptor = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::string_view("/dev/log").copy(address.sun_path, sizeof address.sun_path - 1);
    if (descriptor >= 0 &&
        ::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
        return descriptor;
    if (descriptor >= 0) ::close(descriptor);
    return -1;
}

int syslog_priority(base::Severity severity) {
    constexpr int facility_mail = 2 << 3;
    constexpr int levels[] = {7, 6, 5, 4, 3, 2};
    return facility_mail | levels[static_cast<std::size_t>(severity)];
}

}  // namespace

LogWriter::LogWriter(LogSettings settings, const env::Clock& clock)
    : settings_(std::move(settings)), clock_(clock) {
    open_target();
    thread_ = std::thread([this] {
        work_in_batches();
        run();
    });
}

LogWriter::~LogWriter() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    thread_.join();
    if (descriptor_ > STDERR_FILENO) ::close(descriptor_);
}

void LogWriter::open_target() {
    if (descriptor_ > STDERR_FILENO) ::close(descriptor_);
    descriptor_ = STDOUT_FILENO;
    if (settings_.target == LogSettings::Target::File) {
        const int file =
            ::open(settings_.path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
        if (file >= 0) descriptor_ = file;
    } else if (settings_.target == LogSettings::Target::Syslog) {
        descriptor_ = syslog_socket();
    }
}

void LogWriter::emit(base::Event event) {
    bool wake = false;
    {
        const std::lock_guard lock(mutex_);
        if (waiting_.size() >= settings_.waiting_max) {
            ++dropped_;
            return;
        }
        waiting_.push_back({std::move(event), clock_.wall()});
        wake = std::exchange(sleeping_, false);
    }
    if (wake) wake_.notify_one();
}

void LogWriter::reopen() {
    {
        const std::lock_guard lock(mutex_);
        reopen_ = true;
    }
    wake_.notify_one();
}

void LogWriter::write_out(const std::string& bytes) {
    // A full disk or a closed pipe must not stop the mail.
    static_cast<void>(write_all(descriptor_, bytes));
}

void LogWriter::run() {
    constexpr auto gather = std::chrono::milliseconds(20);  // a busy server writes many lines at once
    const int process = ::getpid();
    std::vector<Waiting> batch;
    std::string bytes;
    std::unique_lock lock(mutex_);
    for (;;) {
        sleeping_ = true;
        wake_.wait(lock, [this] { return stopping_ || reopen_ || !waiting_.empty(); });
        sleeping_ = false;
        if (!stopping_ && !reopen_) wake_.wait_for(lock, gather, [this] { return stopping_; });
        if (std::exchange(reopen_, false)) open_target();
        batch.swap(waiting_);
        const std::size_t dropped = std::exchange(dropped_, 0);
        const bool last = stopping_ && batch.empty();
        lock.unlock();
        if (dropped > 0) {
            batch.push_back(
                {base::Note{base::Severity::Warning, "",
                            fmt::format("{} log lines were dropped: the log is too slow", dropped)},
                 clock_.wall()});
        }
        bytes.clear();
        for (const auto& item : batch) {
            if (settings_.json) {
                bytes += json_line(item.event, item.at);
                continue;
            }
            const LogLine line = postfix_line(item.event);
            if (settings_.target != LogSettings::Target::Syslog) {
                bytes += traditional_line(line, item.at, clock_.zone_offset(item.at), settings_.host_name,
                                          settings_.syslog_name, process);
                continue;
            }
            if (descriptor_ < 0) descriptor_ = syslog_socket();
            const std::string datagram =
                fmt::format("<{}>{}{}{}[{}]: {}", syslog_priority(line.severity), settings_.syslog_name,
                            line.service.empty() ? "" : "/", line.service, process, line.text);
            if (descriptor_ >= 0 && ::send(descriptor_, datagram.data(), datagram.size(), MSG_NOSIGNAL) < 0 &&
                errno != EAGAIN) {
                ::close(descriptor_);
                descriptor_ = -1;
            }
        }
        write_out(bytes);
        batch.clear();
        lock.lock();
        if (last) return;
    }
}

}  // namespace platform
