// Files, blocking: used at start-up, on workers and in the delivery helper, never on a network loop.
// The simulator's version loses what was not synced and fails as disks do.
#pragma once

#include "env/clock.hpp"

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace env {

enum class FileError {
    NotFound,
    Exists,
    NoSpace,
    QuotaExceeded,
    PermissionDenied,
    NotDirectory,
    IsDirectory,
    TooLarge,
    Locked,
    Loop,
    Io
};
std::string_view to_text(FileError error);

struct FileStat {
    enum class Kind { File, Directory, Link, Other } kind = Kind::File;
    std::uint64_t size = 0;
    WallTime modified;
    std::uint32_t mode = 0;  // permission bits
    std::uint32_t owner = 0;
    std::uint32_t group = 0;
    std::uint64_t inode = 0;
    std::uint64_t device = 0;
    std::uint64_t links = 1;
};

class File {
 public:
    virtual ~File() = default;  // closes; releases locks
    virtual std::expected<void, FileError> write(std::string_view bytes) = 0;
    virtual std::expected<void, FileError> sync() = 0;
    virtual std::expected<void, FileError> truncate(std::uint64_t size) = 0;
    virtual std::expected<std::uint64_t, FileError> size() = 0;
    virtual std::expected<FileStat, FileError> stat() = 0;
    /// fcntl(2) and flock(2) write locks on the whole file, without waiting: Locked when somebody holds it.
    virtual std::expected<void, FileError> lock_fcntl() = 0;
    virtual std::expected<void, FileError> lock_flock() = 0;
};

enum class OpenMode {
    CreateExclusive,  // O_CREAT|O_EXCL|O_WRONLY
    Append,           // O_WRONLY|O_APPEND, must exist
    AppendOrCreate,   // O_CREAT|O_APPEND|O_WRONLY
};

class FileSystem {
 public:
    virtual ~FileSystem() = default;
    /// Never follows a symbolic link in the last component.
    virtual std::expected<std::unique_ptr<File>, FileError> open(const std::string& path, OpenMode mode,
                                                                 std::uint32_t permissions) = 0;
    /// The whole file; TooLarge above `max` octets. Follows links.
    virtual std::expected<std::string, FileError> read(const std::string& path, std::uint64_t max) = 0;
    struct Opened {
        FileStat stat;  // of the very file that was read
        std::string text;
    };
    /// A file that strangers may have placed: never follows a link, never waits for a pipe; Io when it is no
    /// plain file.
    virtual std::expected<Opened, FileError> read_foreign(const std::string& path, std::uint64_t max) = 0;
    /// Follows links; lstat() does not.
    virtual std::expected<FileStat, FileError> stat(const std::string& path) = 0;
    virtual std::expected<FileStat, FileError> lstat(const std::string& path) = 0;
    virtual std::expected<void, FileError> make_directory(const std::string& path,
                                                          std::uint32_t permissions) = 0;
    virtual std::expected<void, FileError> rename(const std::string& from, const std::string& to) = 0;
    virtual std::expected<void, FileError> link(const std::string& from, const std::string& to) = 0;
    virtual std::expected<void, FileError> remove(const std::string& path) = 0;
    virtual std::expected<void, FileError> sync_directory(const std::string& path) = 0;
    /// Names without "." and "..", sorted.
    virtual std::expected<std::vector<std::string>, FileError> list(const std::string& path) = 0;
};

/// The machine's users: getpwnam(3).
struct UnixUser {
    std::string name;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::string home;
    std::string shell;
    std::string full_name;
};

class UserDatabase {
 public:
    virtual ~UserDatabase() = default;
    virtual std::expected<std::optional<UnixUser>, FileError> find(const std::string& name) = 0;
    /// A group's number.
    virtual std::expected<std::optional<std::uint32_t>, FileError> find_group(const std::string& name) = 0;
};

}  // namespace env
