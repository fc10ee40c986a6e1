// OpenDKIM's tables as an administrator may have written them, and the author of a message, who may be
// anybody.
#include "env/file_system.hpp"
#include "policy/opendkim_tables.hpp"

#include <cstdint>
#include <cstdlib>

namespace {

/// One file, whatever its name.
class OneFile : public env::FileSystem {
 public:
    explicit OneFile(std::string text) : text_(std::move(text)) {}
    std::expected<std::string, env::FileError> read(const std::string&, std::uint64_t) override {
        return text_;
    }
    std::expected<std::unique_ptr<env::File>, env::FileError> open(const std::string&, env::OpenMode,
                                                                   std::uint32_t) override {
        return std::unexpected(env::FileError::Io);
    }
    std::expected<Opened, env::FileError> read_foreign(const std::string&, std::uint64_t) override {
        return std::unexpected(env::FileError::Io);
    }
    std::expected<env::FileStat, env::FileError> stat(const std::string&) override {
        return std::unexpected(env::FileError::Io);
    }
    std::expected<env::FileStat, env::FileError> lstat(const std::string&) override {
        return std::unexpected(env::FileError::Io);
    }
    std::expected<void, env::FileError> make_directory(const std::string&, std::uint32_t) override {
        return {};
    }
    std::expected<void, env::FileError> rename(const std::string&, const std::string&) override { return {}; }
    std::expected<void, env::FileError> link(const std::string&, const std::string&) override { return {}; }
    std::expected<void, env::FileError> remove(const std::string&) override { return {}; }
    std::expected<void, env::FileError> sync_directory(const std::string&) override { return {}; }
    std::expected<std::vector<std::string>, env::FileError> list(const std::string&) override {
        return std::vector<std::string>{};
    }

 private:
    std::string text_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    // The first line is the author, the rest the table.
    const auto end = std::min(input.find('\n'), input.size());
    const auto author = input.substr(0, end);
    OneFile files{std::string(input.substr(std::min(end + 1, input.size())))};
    for (const auto* how : {"refile:/t", "/t"}) {
        const auto set = policy::read_data_set("table", how, files);
        if (!set) continue;
        for (const auto& entry : set->entries) policy::parse_key_table_value(entry.value);
        const policy::SigningTable table(*set);
        const auto first = table.find(author, policy::SigningTable::Take::First);
        const auto all = table.find(author, policy::SigningTable::Take::All);
        if (first.size() > 1 || first.size() > all.size()) std::abort();
    }
    policy::read_data_set("table", input, files);
    return 0;
}
