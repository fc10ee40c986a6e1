#include "tables/lmdb_table.hpp"

#include "base/text.hpp"

#include <fmt/format.h>
#include <lmdb.h>

namespace tables {
namespace {

class LmdbTable : public Table {
 public:
    LmdbTable(std::string spec, MDB_env* environment, MDB_dbi database)
        : spec_(std::move(spec)), environment_(environment), database_(database) {}
    ~LmdbTable() override { mdb_env_close(environment_); }
    LmdbTable(const LmdbTable&) = delete;

    env::Task<Found> lookup(std::string key) override {
        key = base::lower(key);
        MDB_txn* transaction = nullptr;
        if (mdb_txn_begin(environment_, nullptr, MDB_RDONLY, &transaction) != 0)
            co_return std::unexpected(TableError{spec_ + " cannot be read"});
        std::optional<std::string> out;
        int status = MDB_NOTFOUND;
        for (const std::size_t more :
             {std::size_t{1}, std::size_t{0}}) {  // with the NUL postmap adds, then without
            MDB_val wanted{key.size() + more, const_cast<char*>(key.c_str())};
            MDB_val found{};
            status = mdb_get(transaction, database_, &wanted, &found);
            if (status != 0) continue;
            std::string_view value(static_cast<const char*>(found.mv_data), found.mv_size);
            if (value.ends_with('\0')) value.remove_suffix(1);
            out = std::string(value);
            break;
        }
        mdb_txn_abort(transaction);
        if (status != 0 && status != MDB_NOTFOUND)
            co_return std::unexpected(TableError{fmt::format("{}: {}", spec_, mdb_strerror(status))});
        co_return out;
    }
    bool takes_whole_key_only() const override { return false; }
    const std::string& spec() const override { return spec_; }

 private:
    std::string spec_;
    MDB_env* environment_;
    MDB_dbi database_;
};

}  // namespace

std::expected<std::shared_ptr<Table>, TableError> open_lmdb(const std::string& spec,
                                                            const std::string& path) {
    MDB_env* environment = nullptr;
    MDB_txn* transaction = nullptr;
    MDB_dbi database = 0;
    int status = mdb_env_create(&environment);
    if (status == 0)
        status =
            mdb_env_open(environment, (path + ".lmdb").c_str(), MDB_RDONLY | MDB_NOSUBDIR | MDB_NOTLS, 0);
    if (status == 0) status = mdb_txn_begin(environment, nullptr, MDB_RDONLY, &transaction);
    if (status == 0) status = mdb_dbi_open(transaction, nullptr, 0, &database);
    if (transaction)
        status == 0 ? static_cast<void>(status = mdb_txn_commit(transaction)) : mdb_txn_abort(transaction);
    if (status != 0) {
        mdb_env_close(environment);
        return std::unexpected(TableError{fmt::format("{}.lmdb: {}", path, mdb_strerror(status))});
    }
    return std::make_shared<LmdbTable>(spec, environment, database);
}

}  // namespace tables
