#include "platform/system.hpp"

#include <algorithm>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace platform {
namespace {

using env::FileError;

FileError file_error(int error) {
    switch (error) {
        case ENOENT:
            return FileError::NotFound;
        case EEXIST:
            return FileError::Exists;
        case ENOSPC:
            return FileError::NoSpace;
        case EDQUOT:
            return FileError::QuotaExceeded;
        case EACCES:
        case EPERM:
        case EROFS:
            return FileError::PermissionDenied;
        case ENOTDIR:
            return FileError::NotDirectory;
        case EISDIR:
            return FileError::IsDirectory;
        case EFBIG:
            return FileError::TooLarge;
        case EAGAIN:
            return FileError::Locked;
        case ELOOP:
            return FileError::Loop;
        default:
            return FileError::Io;
    }
}

std::expected<void, FileError> result(int status) {
    if (status == 0) return {};
    return std::unexpected(file_error(errno));
}

env::FileStat to_stat(const struct stat& info) {
    env::FileStat out;
    out.kind = S_ISREG(info.st_mode)   ? env::FileStat::Kind::File
               : S_ISDIR(info.st_mode) ? env::FileStat::Kind::Directory
               : S_ISLNK(info.st_mode) ? env::FileStat::Kind::Link
                                       : env::FileStat::Kind::Other;
    out.size = static_cast<std::uint64_t>(info.st_size);
    out.modified = env::WallTime(std::chrono::seconds(info.st_mtim.tv_sec) +
                                 std::chrono::nanoseconds(info.st_mtim.tv_nsec));
    out.mode = info.st_mode & 07777;
    out.owner = info.st_uid;
    out.group = info.st_gid;
    out.inode = info.st_ino;
    out.device = info.st_dev;
    out.links = info.st_nlink;
    return out;
}

class PosixFile : public env::File {
 public:
    explicit PosixFile(int descriptor) : descriptor_(descriptor) {}
    ~PosixFile() override { ::close(descriptor_); }
    PosixFile(const PosixFile&) = delete;

    std::expected<void, FileError> write(std::string_view bytes) override {
        if (!write_all(descriptor_, bytes)) return std::unexpected(file_error(errno));
        return {};
    }
    std::expected<void, FileError> sync() override { return result(::fsync(descriptor_)); }
    std::expected<void, FileError> truncate(std::uint64_t size) override {
        return result(::ftruncate(descriptor_, static_cast<off_t>(size)));
    }
    std::expected<std::uint64_t, FileError> size() override {
        auto info = stat();
        if (!info) return std::unexpected(info.error());
        return info->size;
    }
    std::expected<env::FileStat, FileError> stat() override {
        struct stat info{};
        if (::fstat(descriptor_, &info) != 0) return std::unexpected(file_error(errno));
        return to_stat(info);
    }
    std::expected<void, FileError> lock_fcntl() override {
        struct flock lock{};
        lock.l_type = F_WRLCK;
        return result(::fcntl(descriptor_, F_SETLK, &lock));
    }
    std::expected<void, FileError> lock_flock() override {
        return result(::flock(descriptor_, LOCK_EX | LOCK_NB));
    }

 private:
    int descriptor_;
};

}  // namespace

std::expected<std::unique_ptr<env::File>, FileError> PosixFileSystem::open(const std::string& path,
                                                                           env::OpenMode mode,
                                                                           std::uint32_t permissions) {
    int flags = O_WRONLY | O_CLOEXEC | O_NOFOLLOW;
    if (mode == env::OpenMode::CreateExclusive) flags |= O_CREAT | O_EXCL;
    if (mode == env::OpenMode::Append) flags |= O_APPEND;
    if (mode == env::OpenMode::AppendOrCreate) flags |= O_APPEND | O_CREAT;
    const int descriptor = ::open(path.c_str(), flags, permissions);
    if (descriptor < 0) return std::unexpected(file_error(errno));
    return std::make_unique<PosixFile>(descriptor);
}

namespace {

std::expected<std::string, FileError> read_to_end(int descriptor, std::uint64_t max) {
    std::string out;
    for (;;) {
        constexpr std::size_t piece = 64 * 1024;
        const std::size_t before = out.size();
        out.resize(before + piece);
        const ssize_t got = ::read(descriptor, out.data() + before, piece);
        out.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return std::unexpected(file_error(errno));
        if (got == 0) return out;
        if (out.size() > max) return std::unexpected(FileError::TooLarge);
    }
}

}  // namespace

std::expected<std::string, FileError> PosixFileSystem::read(const std::string& path, std::uint64_t max) {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return std::unexpected(file_error(errno));
    const PosixFile closer(descriptor);
    return read_to_end(descriptor, max);
}

std::expected<env::FileSystem::Opened, FileError> PosixFileSystem::read_foreign(const std::string& path,
                                                                                std::uint64_t max) {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (descriptor < 0) return std::unexpected(file_error(errno));
    const PosixFile closer(descriptor);
    struct stat info{};
    if (::fstat(descriptor, &info) != 0) return std::unexpected(file_error(errno));
    if (!S_ISREG(info.st_mode)) return std::unexpected(FileError::Io);
    auto text = read_to_end(descriptor, max);
    if (!text) return std::unexpected(text.error());
    return Opened{to_stat(info), std::move(*text)};
}

std::expected<env::FileStat, FileError> PosixFileSystem::stat(const std::string& path) {
    struct stat info{};
    if (::stat(path.c_str(), &info) != 0) return std::unexpected(file_error(errno));
    return to_stat(info);
}

std::expected<env::FileStat, FileError> PosixFileSystem::lstat(const std::string& path) {
    struct stat info{};
    if (::lstat(path.c_str(), &info) != 0) return std::unexpected(file_error(errno));
    return to_stat(info);
}

std::expected<void, FileError> PosixFileSystem::make_directory(const std::string& path,
                                                               std::uint32_t permissions) {
    return result(::mkdir(path.c_str(), permissions));
}
std::expected<void, FileError> PosixFileSystem::rename(const std::string& from, const std::string& to) {
    return result(::rename(from.c_str(), to.c_str()));
}
std::expected<void, FileError> PosixFileSystem::link(const std::string& from, const std::string& to) {
    return result(::link(from.c_str(), to.c_str()));
}
std::expected<void, FileError> PosixFileSystem::remove(const std::string& path) {
    return result(::unlink(path.c_str()));
}

std::expected<void, FileError> PosixFileSystem::sync_directory(const std::string& path) {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return std::unexpected(file_error(errno));
    PosixFile directory(descriptor);
    return directory.sync();
}

std::expected<std::vector<std::string>, FileError> PosixFileSystem::list(const std::string& path) {
    DIR* directory = ::opendir(path.c_str());
    if (!directory) return std::unexpected(file_error(errno));
    std::vector<std::string> out;
    while (const dirent* entry = ::readdir(directory)) {
        const std::string name = entry->d_name;
        if (name != "." && name != "..") out.push_back(name);
    }
    ::closedir(directory);
    std::ranges::sort(out);
    return out;
}

}  // namespace platform
