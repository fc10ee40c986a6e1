#include "sim/files.hpp"

#include "base/result.hpp"
#include "base/text.hpp"

namespace sim {

using env::FileError;

class SimFiles::OpenFile : public env::File {
 public:
    OpenFile(SimFiles& files, std::shared_ptr<Node> node) : files_(files), node_(std::move(node)) {}
    ~OpenFile() override {
        if (holds_lock_) node_->locked = false;
    }
    std::expected<void, FileError> write(std::string_view bytes) override {
        TRY(files_.fault());
        node_->content += bytes;
        return {};
    }
    std::expected<void, FileError> sync() override {
        TRY(files_.fault());
        node_->durable_content = node_->content;
        return {};
    }
    std::expected<void, FileError> truncate(std::uint64_t size) override {
        node_->content.resize(size);
        return {};
    }
    std::expected<std::uint64_t, FileError> size() override { return node_->content.size(); }
    std::expected<env::FileStat, FileError> stat() override { return files_.stat_of(*node_); }
    std::expected<void, FileError> lock_fcntl() override { return lock(); }
    std::expected<void, FileError> lock_flock() override { return lock(); }

 private:
    std::expected<void, FileError> lock() {
        if (node_->locked && !holds_lock_) return std::unexpected(FileError::Locked);
        node_->locked = holds_lock_ = true;
        return {};
    }
    SimFiles& files_;
    std::shared_ptr<Node> node_;
    bool holds_lock_ = false;
};

SimFiles::SimFiles(SimRandom random) : random_(std::move(random)), root_(std::make_shared<Node>()) {
    root_->directory = true;
}

std::expected<void, FileError> SimFiles::fault() {
    if (random_.chance(faults.no_space)) return std::unexpected(FileError::NoSpace);
    if (random_.chance(faults.io)) return std::unexpected(FileError::Io);
    return {};
}

std::shared_ptr<SimFiles::Node> SimFiles::find(const std::string& path) const {
    auto at = root_;
    for (const auto part : base::split(path, '/')) {
        if (part.empty() || !at) continue;
        const auto next = at->names.find(std::string(part));
        at = next == at->names.end() ? nullptr : next->second;
    }
    return at;
}

std::pair<std::shared_ptr<SimFiles::Node>, std::string> SimFiles::parent(const std::string& path) const {
    const auto slash = path.rfind('/');
    return {find(path.substr(0, slash)), path.substr(slash + 1)};
}

env::FileStat SimFiles::stat_of(const Node& node) const {
    env::FileStat out;
    out.kind = node.directory ? env::FileStat::Kind::Directory : env::FileStat::Kind::File;
    out.size = node.content.size();
    out.mode = node.directory ? 0700 : 0600;
    out.inode = node.inode;
    return out;
}

std::expected<std::unique_ptr<env::File>, FileError> SimFiles::open(const std::string& path,
                                                                    env::OpenMode mode, std::uint32_t) {
    TRY(fault());
    const auto [folder, name] = parent(path);
    if (!folder) return std::unexpected(FileError::NotFound);
    const auto found = folder->names.find(name);
    if (found != folder->names.end()) {
        if (mode == env::OpenMode::CreateExclusive) return std::unexpected(FileError::Exists);
        if (found->second->directory) return std::unexpected(FileError::IsDirectory);
        return std::make_unique<OpenFile>(*this, found->second);
    }
    if (mode == env::OpenMode::Append) return std::unexpected(FileError::NotFound);
    auto node = std::make_shared<Node>();
    node->inode = ++last_inode_;
    folder->names[name] = node;
    return std::make_unique<OpenFile>(*this, node);
}

std::expected<std::string, FileError> SimFiles::read(const std::string& path, std::uint64_t max) {
    const auto node = find(path);
    if (!node) return std::unexpected(FileError::NotFound);
    if (node->directory) return std::unexpected(FileError::IsDirectory);
    if (node->content.size() > max) return std::unexpected(FileError::TooLarge);
    return node->content;
}

std::expected<env::FileSystem::Opened, FileError> SimFiles::read_foreign(const std::string& path,
                                                                         std::uint64_t max) {
    auto text = read(path, max);
    if (!text) return std::unexpected(text.error());
    return Opened{stat_of(*find(path)), std::move(*text)};
}

std::expected<env::FileStat, FileError> SimFiles::stat(const std::string& path) {
    const auto node = find(path);
    if (!node) return std::unexpected(FileError::NotFound);
    return stat_of(*node);
}

std::expected<void, FileError> SimFiles::make_directory(const std::string& path, std::uint32_t) {
    const auto [folder, name] = parent(path);
    if (!folder) return std::unexpected(FileError::NotFound);
    if (folder->names.contains(name)) return std::unexpected(FileError::Exists);
    TRY(fault());
    auto node = std::make_shared<Node>();
    node->directory = true;
    folder->names[name] = std::move(node);
    return {};
}

std::expected<void, FileError> SimFiles::link(const std::string& from, const std::string& to) {
    TRY(fault());
    const auto node = find(from);
    const auto [folder, name] = parent(to);
    if (!node || !folder) return std::unexpected(FileError::NotFound);
    if (folder->names.contains(name)) return std::unexpected(FileError::Exists);
    folder->names[name] = node;
    return {};
}

std::expected<void, FileError> SimFiles::rename(const std::string& from, const std::string& to) {
    const auto node = find(from);
    const auto [folder, name] = parent(to);
    if (!node || !folder) return std::unexpected(FileError::NotFound);
    folder->names[name] = node;
    return remove(from);
}

std::expected<void, FileError> SimFiles::remove(const std::string& path) {
    const auto [folder, name] = parent(path);
    if (!folder || folder->names.erase(name) == 0) return std::unexpected(FileError::NotFound);
    return {};
}

std::expected<void, FileError> SimFiles::sync_directory(const std::string& path) {
    TRY(fault());
    const auto node = find(path);
    if (!node) return std::unexpected(FileError::NotFound);
    node->durable_names = node->names;
    return {};
}

std::expected<std::vector<std::string>, FileError> SimFiles::list(const std::string& path) {
    const auto node = find(path);
    if (!node) return std::unexpected(FileError::NotFound);
    std::vector<std::string> out;
    for (const auto& [name, child] : node->names) out.push_back(name);
    return out;
}

void SimFiles::place(const std::string& path, std::string text) {
    const auto slash = path.rfind('/');
    place_directory(path.substr(0, slash));
    auto node = std::make_shared<Node>();
    node->inode = ++last_inode_;
    node->content = node->durable_content = std::move(text);
    const auto folder = find(path.substr(0, slash));
    folder->names[path.substr(slash + 1)] = folder->durable_names[path.substr(slash + 1)] = std::move(node);
}

void SimFiles::place_directory(const std::string& path) {
    auto at = root_;
    for (const auto part : base::split(path, '/')) {
        if (part.empty()) continue;
        const std::string name(part);
        auto& next = at->names[name];
        if (!next) {
            next = std::make_shared<Node>();
            next->directory = true;
        }
        at->durable_names[name] = next;
        at = next;
    }
}

void SimFiles::forget_unsynced(Node& node) {
    node.content = node.durable_content;
    node.names = node.durable_names;
    node.locked = false;
    for (auto& [name, child] : node.names) forget_unsynced(*child);
}

void SimFiles::power_cut() { forget_unsynced(*root_); }

}  // namespace sim
