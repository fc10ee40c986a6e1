// The table types without a library: text files, inline:, static:, cidr:, unionmap:, fail:,
// unix:passwd.byname. Made by the factory.
#pragma once

#include "env/network.hpp"
#include "tables/factory.hpp"
#include "tables/rules.hpp"

namespace tables {

/// A file that is read again when it changed; looked at once a second at most. Derived classes parse.
class FileTable : public Table {
 public:
    FileTable(std::string spec, std::string path, TableServices services)
        : spec_(std::move(spec)), path_(std::move(path)), services_(services) {}
    const std::string& spec() const override { return spec_; }
    /// First reading; an error means the table cannot be opened.
    std::expected<void, TableError> load();

 protected:
    void refresh();
    virtual std::expected<void, std::string> parse(std::string_view text) = 0;

 private:
    std::expected<void, std::string> read();
    std::string spec_;
    std::string path_;
    TableServices services_;
    env::FileStat known_;
    env::SteadyTime looked_{};
};

class TextTable : public FileTable {
 public:
    TextTable(std::string spec, std::string path, TableServices services, SourceFormat format)
        : FileTable(std::move(spec), std::move(path), services), format_(format) {}
    env::Task<Found> lookup(std::string key) override;
    bool takes_whole_key_only() const override { return false; }

 private:
    std::expected<void, std::string> parse(std::string_view text) override;
    SourceFormat format_;
    Entries entries_;
};

/// cidr_table(5): "192.0.2.0/24 value", "!pattern", if/endif.
class CidrTable : public FileTable {
 public:
    using FileTable::FileTable;
    env::Task<Found> lookup(std::string key) override;
    bool takes_whole_key_only() const override { return true; }

 private:
    struct Network {
        env::IpAddress address;
        unsigned prefix = 0;
    };
    static std::expected<Network, std::string> take_network(std::string_view& line);
    std::expected<void, std::string> parse(std::string_view text) override;
    std::vector<Rule<Network>> rules_;
};

class InlineTable : public Table {
 public:
    InlineTable(std::string spec, Entries entries) : spec_(std::move(spec)), entries_(std::move(entries)) {}
    env::Task<Found> lookup(std::string key) override;
    bool takes_whole_key_only() const override { return false; }
    const std::string& spec() const override { return spec_; }

 private:
    std::string spec_;
    Entries entries_;
};

class StaticTable : public Table {
 public:
    StaticTable(std::string spec, std::string value) : spec_(std::move(spec)), value_(std::move(value)) {}
    env::Task<Found> lookup(std::string) override { co_return std::optional(value_); }
    bool takes_whole_key_only() const override { return true; }
    const std::string& spec() const override { return spec_; }

 private:
    std::string spec_;
    std::string value_;
};

class UnionTable : public Table {
 public:
    UnionTable(std::string spec, std::vector<std::shared_ptr<Table>> tables)
        : spec_(std::move(spec)), tables_(std::move(tables)) {}
    env::Task<Found> lookup(std::string key) override;
    bool takes_whole_key_only() const override { return false; }
    const std::string& spec() const override { return spec_; }

 private:
    std::string spec_;
    std::vector<std::shared_ptr<Table>> tables_;
};

class FailTable : public Table {
 public:
    explicit FailTable(std::string spec) : spec_(std::move(spec)) {}
    env::Task<Found> lookup(std::string) override {
        co_return std::unexpected(TableError{spec_ + ": fails by design"});
    }
    bool takes_whole_key_only() const override { return false; }
    const std::string& spec() const override { return spec_; }

 private:
    std::string spec_;
};

/// unix:passwd.byname: the machine's users; the value is the passwd line.
class PasswdTable : public Table {
 public:
    PasswdTable(std::string spec, env::UserDatabase& users) : spec_(std::move(spec)), users_(users) {}
    env::Task<Found> lookup(std::string key) override;
    bool takes_whole_key_only() const override { return true; }
    const std::string& spec() const override { return spec_; }

 private:
    std::string spec_;
    env::UserDatabase& users_;
};

}  // namespace tables
