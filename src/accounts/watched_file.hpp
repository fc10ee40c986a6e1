// A file that is read anew when it changes: looked at once a second at most, when somebody asks. Belongs to
// its loop.
#pragma once

#include "base/event.hpp"
#include "env/clock.hpp"
#include "env/file_system.hpp"
#include "env/workers.hpp"

#include <expected>
#include <optional>
#include <string>

namespace accounts {

/// What those who keep such a file's content need.
struct FileServices {
    env::FileSystem& files;
    env::Workers& workers;
    env::Clock& clock;
    base::EventSink& events;
};

class WatchedFile {
 public:
    WatchedFile(std::string path, FileServices services) : path_(std::move(path)), services_(services) {}
    /// The text when it is new; nullopt: as it was. A file that is not there is "". Error: a sentence with
    /// the path.
    std::optional<std::expected<std::string, std::string>> changed();
    const std::string& path() const { return path_; }

 private:
    std::string path_;
    FileServices services_;
    std::optional<env::FileStat> known_;
    std::optional<env::SteadyTime> looked_;
};

}  // namespace accounts
