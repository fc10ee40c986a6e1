#include "delivery/maildir.hpp"

#include "base/text.hpp"
#include "mail/date.hpp"

#include <fmt/format.h>

namespace delivery {
namespace {

AgentResult ok() { return {{2, 0, 0}, ""}; }

AgentResult failed(std::string_view doing, const std::string& path, env::FileError error) {
    AgentResult out{{4, 3, 0}, fmt::format("{} {}: {}", doing, path, env::to_text(error))};
    if (error == env::FileError::QuotaExceeded) out.status = {5, 2, 2};
    if (error == env::FileError::NoSpace) out.status = {4, 2, 2};
    if (error == env::FileError::PermissionDenied) out.status = {4, 2, 0};
    if (error == env::FileError::Loop) out.status = {5, 2, 0};
    return out;
}

constexpr std::uint32_t directory_mode = 0700;
constexpr std::uint32_t file_mode = 0600;

std::string parent_of(const std::string& path) {
    const auto slash = path.find_last_of('/');
    return slash == std::string::npos || slash == 0 ? "/" : path.substr(0, slash);
}

std::expected<void, env::FileError> make_path(env::FileSystem& files, const std::string& path) {
    auto made = files.make_directory(path, directory_mode);
    if (!made && made.error() == env::FileError::NotFound && path.size() > 1) {
        auto parent = make_path(files, parent_of(path));
        if (!parent) return parent;
        made = files.make_directory(path, directory_mode);
    }
    if (!made && made.error() == env::FileError::Exists) return {};
    return made;
}

/// A name is durable only when its folder was synced: this folder and all above it. Those above that we may
/// not read were not made by us.
std::expected<void, env::FileError> sync_path(env::FileSystem& files, const std::string& path) {
    auto synced = files.sync_directory(path);
    for (std::string at = path; synced && at.size() > 1;) {
        at = parent_of(at);
        auto above = files.sync_directory(at);
        if (!above && above.error() != env::FileError::PermissionDenied) synced = above;
    }
    return synced;
}

class MaildirWriter : public MailboxWriter {
 public:
    MaildirWriter(env::FileSystem& files, MaildirJob job, UniqueName name)
        : files_(files), job_(std::move(job)), unique_(std::move(name)) {
        while (job_.directory.size() > 1 && job_.directory.ends_with('/')) job_.directory.pop_back();
        const auto micros =
            std::chrono::duration_cast<std::chrono::microseconds>(unique_.now.time_since_epoch()).count() %
            1'000'000;
        std::string host;  // '/' and ':' have a meaning in Maildir names
        for (const char c : unique_.host) host += c == '/' ? "\\057" : c == ':' ? "\\072" : std::string(1, c);
        name_ = fmt::format("{}.M{}P{}Q{}.{}", env::unix_time(unique_.now), micros, unique_.process,
                            unique_.counter, host);
    }

    AgentResult begin() override {
        const std::string tmp = job_.directory + "/tmp";
        path_ = tmp + "/" + name_;
        auto file = files_.open(path_, env::OpenMode::CreateExclusive, file_mode);
        if (!file && file.error() == env::FileError::NotFound && job_.create_parents) {
            if (auto made = make_folders(); !made.status.is_success()) return made;
            file = files_.open(path_, env::OpenMode::CreateExclusive, file_mode);
        }
        if (!file) return failed("create", path_, file.error());
        file_ = std::move(*file);
        return put(lines_.convert(job_.prefix));
    }

    AgentResult write(std::string_view content) override { return put(lines_.convert(content)); }

    AgentResult finish() override {
        if (auto last = put(lines_.finish()); !last.status.is_success()) return last;
        auto synced = file_->sync();
        if (!synced) return failed("write", path_, synced.error());
        file_.reset();
        const std::string target = job_.directory + "/new/" + name_ + fmt::format(",S={}", octets_);
        // link + unlink, not rename: a name that exists already must never be overwritten.
        auto linked = files_.link(path_, target);
        if (!linked) return failed("create", target, linked.error());
        static_cast<void>(files_.remove(path_));
        path_.clear();
        auto durable = files_.sync_directory(job_.directory + "/new");
        if (!durable) return failed("write", job_.directory + "/new", durable.error());
        return {{2, 0, 0}, "delivered to maildir"};
    }

    void abandon() override {
        file_.reset();
        if (!path_.empty()) static_cast<void>(files_.remove(path_));
    }

 private:
    // tmp/ comes last: where it is, everything else is there and durable, also after a crash half-way.
    AgentResult make_folders() {
        for (const auto* folder : {"/cur", "/new"}) {
            auto made = make_path(files_, job_.directory + folder);
            if (!made) return failed("create", job_.directory + folder, made.error());
        }
        if (const auto marked = mark_folder(); !marked)
            return failed("create", job_.directory, marked.error());
        auto synced = sync_path(files_, job_.directory);
        if (!synced) return failed("create", job_.directory, synced.error());
        auto made = make_path(files_, job_.directory + "/tmp");
        if (!made) return failed("create", job_.directory + "/tmp", made.error());
        return ok();
    }
    /// Maildir++: a folder of a Maildir (".Junk") says by an empty file that it is one.
    std::expected<void, env::FileError> mark_folder() {
        const auto slash = job_.directory.find_last_of('/');
        if (job_.directory[slash == std::string::npos ? 0 : slash + 1] != '.') return {};
        auto made = files_.open(job_.directory + "/maildirfolder", env::OpenMode::CreateExclusive, file_mode);
        if (!made && made.error() != env::FileError::Exists) return std::unexpected(made.error());
        return {};
    }
    AgentResult put(const std::string& bytes) {
        octets_ += bytes.size();
        auto written = file_->write(bytes);
        return written ? ok() : failed("write", path_, written.error());
    }
    env::FileSystem& files_;
    MaildirJob job_;
    UniqueName unique_;
    std::string name_, path_;
    std::unique_ptr<env::File> file_;
    LineEnds lines_;
    std::uint64_t octets_ = 0;
};

class MboxWriter : public MailboxWriter {
 public:
    MboxWriter(env::FileSystem& files, MboxJob job, env::WallTime now)
        : files_(files), job_(std::move(job)), now_(now) {}

    AgentResult begin() override {
        for (const auto& lock : job_.locks) {
            if (lock != "dotlock") continue;
            auto made = files_.open(job_.path + ".lock", env::OpenMode::CreateExclusive, file_mode);
            if (!made) return {{4, 2, 0}, fmt::format("lock {}: {}", job_.path, env::to_text(made.error()))};
            dot_locked_ = true;
        }
        auto file = files_.open(job_.path, env::OpenMode::AppendOrCreate, file_mode);
        if (!file) return failed("open", job_.path, file.error());
        file_ = std::move(*file);
        auto stat = file_->stat();
        if (!stat) return failed("open", job_.path, stat.error());
        if (stat->kind != env::FileStat::Kind::File || stat->links > 1)
            return {{5, 2, 0}, job_.path + " is not a plain file of its own"};
        for (const auto& lock : job_.locks) {
            auto taken = lock == "fcntl"   ? file_->lock_fcntl()
                         : lock == "flock" ? file_->lock_flock()
                                           : std::expected<void, env::FileError>{};
            if (!taken)
                return {{4, 2, 0}, fmt::format("lock {}: {}", job_.path, env::to_text(taken.error()))};
        }
        auto size = file_->size();
        if (!size) return failed("open", job_.path, size.error());
        before_ = *size;
        opened_ = true;
        return put(mbox_from_line(job_.from_line_sender, now_) + "\n" + lines_.convert(job_.prefix));
    }

    AgentResult write(std::string_view content) override { return quoted(lines_.convert(content)); }

    AgentResult finish() override {
        if (auto last = quoted(lines_.finish()); !last.status.is_success()) return last;
        if (auto end = put(at_line_start_ ? "\n" : "\n\n"); !end.status.is_success()) return end;
        auto synced = file_->sync();
        if (!synced) return failed("write", job_.path, synced.error());
        opened_ = false;
        unlock();
        return {{2, 0, 0}, "delivered to mailbox"};
    }

    void abandon() override {
        if (opened_) static_cast<void>(file_->truncate(before_));
        unlock();
    }

 private:
    void unlock() {
        file_.reset();
        if (dot_locked_) static_cast<void>(files_.remove(job_.path + ".lock"));
        dot_locked_ = false;
    }
    // ">From " at line starts (mbox readers take "From " for the next message).
    AgentResult quoted(const std::string& text) {
        std::string out;
        std::string joined = held_ + text;
        std::string_view rest = joined;
        held_.clear();
        while (!rest.empty()) {
            constexpr std::string_view mark = "From ";
            if (at_line_start_ && rest.size() < mark.size() && mark.starts_with(rest)) {
                held_ = rest;
                break;
            }
            if (at_line_start_ && rest.starts_with(mark)) out += '>';
            const auto end = rest.find('\n');
            out += rest.substr(0, end == std::string_view::npos ? rest.size() : end + 1);
            at_line_start_ = end != std::string_view::npos;
            rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
        }
        return put(out);
    }
    AgentResult put(const std::string& bytes) {
        octets_ += bytes.size();
        if (job_.size_limit > 0 && before_ + octets_ > job_.size_limit)
            return {{5, 2, 2}, "cannot append message to " + job_.path + ": mailbox size limit exceeded"};
        auto written = file_->write(bytes);
        return written ? ok() : failed("write", job_.path, written.error());
    }
    env::FileSystem& files_;
    MboxJob job_;
    env::WallTime now_;
    std::unique_ptr<env::File> file_;
    LineEnds lines_;
    std::string held_;
    bool at_line_start_ = true;
    bool opened_ = false;
    bool dot_locked_ = false;
    std::uint64_t before_ = 0;
    std::uint64_t octets_ = 0;
};

}  // namespace

std::string mbox_from_line(std::string_view sender, env::WallTime at) {
    const std::string date =
        mail::format_date(at, std::chrono::minutes(0));  // "Mon, 23 Nov 2026 20:05:13 +0000"
    const auto words = base::split_any(date, ", ");
    return fmt::format("From {}  {} {} {:>2} {} {}", sender, words[0], words[2], words[1], words[4],
                       words[3]);
}

std::string LineEnds::convert(std::string_view piece) {
    std::string out;
    out.reserve(piece.size() + 1);
    for (std::size_t i = 0; i < piece.size();) {
        if (pending_return_) {
            pending_return_ = false;
            if (piece[i] != '\n') out += '\r';
        }
        const auto end = piece.find('\r', i);
        out += piece.substr(i, end - i);
        if (end == std::string_view::npos) break;
        pending_return_ = true;
        i = end + 1;
    }
    return out;
}

std::string LineEnds::finish() {
    const bool pending = pending_return_;
    pending_return_ = false;
    return pending ? "\r" : "";
}

std::unique_ptr<MailboxWriter> make_maildir_writer(env::FileSystem& files, MaildirJob job, UniqueName name) {
    return std::make_unique<MaildirWriter>(files, std::move(job), std::move(name));
}

std::unique_ptr<MailboxWriter> make_mbox_writer(env::FileSystem& files, MboxJob job, env::WallTime now) {
    return std::make_unique<MboxWriter>(files, std::move(job), now);
}

}  // namespace delivery
