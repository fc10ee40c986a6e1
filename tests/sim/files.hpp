// The simulated file system: what was not synced is lost at a power cut, names as well as octets (the
// strictest reading of POSIX: a name is durable when its folder was synced, content when the file was). Fails
// with NoSpace or Io when told to.
#pragma once

#include "env/file_system.hpp"
#include "sim/loop.hpp"
#include "sim/random.hpp"

#include <map>
#include <memory>
#include <string>

namespace sim {

struct FileFaults {
    double no_space = 0;
    double io = 0;
};

class SimFiles : public env::FileSystem {
 public:
    explicit SimFiles(SimRandom random);
    std::expected<std::unique_ptr<env::File>, env::FileError> open(const std::string& path,
                                                                   env::OpenMode mode,
                                                                   std::uint32_t permissions) override;
    std::expected<std::string, env::FileError> read(const std::string& path, std::uint64_t max) override;
    std::expected<Opened, env::FileError> read_foreign(const std::string& path, std::uint64_t max) override;
    std::expected<env::FileStat, env::FileError> stat(const std::string& path) override;
    std::expected<env::FileStat, env::FileError> lstat(const std::string& path) override {
        return stat(path);
    }
    std::expected<void, env::FileError> make_directory(const std::string& path,
                                                       std::uint32_t permissions) override;
    std::expected<void, env::FileError> rename(const std::string& from, const std::string& to) override;
    std::expected<void, env::FileError> link(const std::string& from, const std::string& to) override;
    std::expected<void, env::FileError> remove(const std::string& path) override;
    std::expected<void, env::FileError> sync_directory(const std::string& path) override;
    std::expected<std::vector<std::string>, env::FileError> list(const std::string& path) override;

    /// What an administrator wrote long ago: durable.
    void place(const std::string& path, std::string text);
    void place_directory(const std::string& path);
    void power_cut();
    FileFaults faults;

 private:
    struct Node {
        bool directory = false;
        std::string content, durable_content;
        std::map<std::string, std::shared_ptr<Node>> names, durable_names;
        bool locked = false;
        std::uint64_t inode = 0;
        env::SteadyTime modified{};
    };
    class OpenFile;
    std::shared_ptr<Node> find(const std::string& path) const;
    std::pair<std::shared_ptr<Node>, std::string> parent(const std::string& path) const;
    std::expected<void, env::FileError> fault();
    static void forget_unsynced(Node& node);
    env::FileStat stat_of(const Node& node) const;

    SimRandom random_;
    std::shared_ptr<Node> root_;
    std::uint64_t last_inode_ = 1;
};

}  // namespace sim
