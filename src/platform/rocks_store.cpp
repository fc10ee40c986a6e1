#include "platform/rocks_store.hpp"

#include "platform/store_checksum.hpp"
#include "platform/system.hpp"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <deque>
#include <dlfcn.h>
#include <fcntl.h>
#include <filesystem>
#include <fmt/format.h>
#include <map>
#include <mutex>
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>
#include <sys/statvfs.h>
#include <thread>
#include <unistd.h>

namespace rocksdb::crc32c {

/// Stands in front of the function of this name in librocksdb, which then calls this one: Debian's build of
/// the library knows only tables (docs/decisions/0058).
std::uint32_t Extend(std::uint32_t before, const char* data, std::size_t size);
std::uint32_t Extend(std::uint32_t before, const char* data, std::size_t size) {
    static const platform::ChecksumFunction extend = [] {
        const auto fast = platform::fast_checksum();
        return fast != nullptr ? fast
                               : reinterpret_cast<platform::ChecksumFunction>(
                                     ::dlsym(RTLD_NEXT, "_ZN7rocksdb6crc32c6ExtendEjPKcm"));
    }();
    return extend(before, data, size);
}

}  // namespace rocksdb::crc32c

namespace platform {
namespace {

constexpr std::size_t keyspaces = 4;
constexpr std::array<const char*, keyspaces> names = {"default", "envelopes", "bodies", "history"};
constexpr std::size_t memtable_bytes = 16U << 20;
constexpr std::size_t content_memtable_bytes =
    32U << 20;  // what is delivered before it is full is never written again
constexpr std::size_t memtables_total_bytes = 96U << 20;
constexpr std::size_t block_cache_bytes = 16U << 20;
constexpr std::size_t blob_octets_min = 4096;
constexpr std::size_t blob_readahead_bytes = 4U << 20;  // of a compaction, which reads past the page cache
// Each start leaves a small file of level 0 in every keyspace. A server that is started again and again would
// soon have the 36 at which RocksDB stops writes by itself, and would be silent until a compaction is
// through.
constexpr int level0_slowdown_files = 200;
constexpr int level0_stop_files = 400;
constexpr std::size_t change_overhead_bytes = 64;  // a change's frame in a write batch, and an erased key
constexpr std::size_t group_bytes_max = 2U << 20;  // of one write: bounds the wait of those behind it

struct Request {
    env::Batch batch;
    env::Durability durability;
    env::Loop* loop;
    std::coroutine_handle<> waiting;
    std::expected<void, env::StoreError> result;
};

env::StoreError store_error(const rocksdb::Status& status) {
    if (status.IsNoSpace()) return env::StoreError::NoSpace;
    if (status.IsShutdownInProgress()) return env::StoreError::Closed;
    return env::StoreError::Io;
}

/// Whether files in the folder can be written past the page cache; some file systems refuse.
bool takes_direct_writes(const std::string& folder) {
    std::error_code failed;  // told by whoever opens the database
    std::filesystem::create_directory(folder, failed);
    const std::string probe = folder + "/direct-probe";
    const int file = ::open(probe.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_DIRECT, 0600);
    if (file < 0) return false;
    ::close(file);
    ::unlink(probe.c_str());
    return true;
}

rocksdb::Options database_options() {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.create_missing_column_families = true;
    options.allow_concurrent_memtable_write = false;  // one writer thread
    options.enable_write_thread_adaptive_yield = false;
    options.max_background_jobs = 2;
    options.wal_recovery_mode =
        rocksdb::WALRecoveryMode::kPointInTimeRecovery;  // an unsynced tail may be torn
    options.recycle_log_file_num = 4;  // written in place: fdatasync need not update the file's size
    options.db_write_buffer_size = memtables_total_bytes;
    options.max_total_wal_size = 256U << 20;
    options.keep_log_file_num = 4;
    options.max_log_file_size = 1U << 20;
    options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
    options.max_open_files = 256;
    return options;
}

rocksdb::ColumnFamilyOptions column_options(const rocksdb::Options& base, std::size_t space,
                                            const std::shared_ptr<rocksdb::Cache>& cache) {
    rocksdb::ColumnFamilyOptions options(base);
    options.write_buffer_size = memtable_bytes;
    options.max_write_buffer_number = 3;
    options.level0_slowdown_writes_trigger = level0_slowdown_files;
    options.level0_stop_writes_trigger = level0_stop_files;
    options.compression = rocksdb::kNoCompression;  // most of the queue dies before it is ever compacted
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = cache;
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    if (space == static_cast<std::size_t>(env::Keyspace::Bodies)) {
        options.write_buffer_size = content_memtable_bytes;
        options.enable_blob_files = true;
        options.min_blob_size = blob_octets_min;
        options.blob_file_size = 64U << 20;
        options.enable_blob_garbage_collection = true;
        // Every compaction writes the content anew that lives in the oldest quarter of the files: of a queue
        // that waits as a whole, a half would be much for nothing. Where half of what is there is dead, it is
        // forced.
        options.blob_garbage_collection_age_cutoff = 0.25;
        options.blob_garbage_collection_force_threshold = 0.5;
        options.blob_compaction_readahead_size = blob_readahead_bytes;
    }
    return options;
}

}  // namespace

struct RocksDatabase::State {
    std::string folder;
    std::unique_ptr<rocksdb::DB> db;
    std::array<rocksdb::ColumnFamilyHandle*, keyspaces> columns{};
    std::mutex mutex;  // guards what follows
    std::condition_variable wake;
    // Content waits behind everything else: the result of a delivery must not wait behind the mail that pours
    // in, because a crash before it is written delivers again. Within either row the order is kept, so that
    // two changes of one record (which is never content) cannot change places.
    std::deque<Request*> records, contents;
    bool stopping = false;
    bool read_only = false;  // no committer
    std::thread committer;

    rocksdb::ColumnFamilyHandle* column(env::Keyspace space) {
        return columns[static_cast<std::size_t>(space)];
    }
    void append(rocksdb::WriteBatch& to, const env::Batch& batch);
    void write_group(const std::vector<Request*>& group);
    void run();
    bool idle() const { return records.empty() && contents.empty(); }
    void take_group(std::vector<Request*>& group);
};

void RocksDatabase::State::append(rocksdb::WriteBatch& to, const env::Batch& batch) {
    for (const auto& erase : batch.erases()) {
        if (erase.end.empty())
            to.Delete(column(erase.space), erase.key);
        else
            to.DeleteRange(column(erase.space), erase.key, erase.end);
    }
    for (const auto& put : batch.puts()) to.Put(column(put.space), put.key, put.value);
}

void RocksDatabase::State::write_group(const std::vector<Request*>& group) {
    std::size_t changes = 0;
    std::size_t bytes = 0;
    for (const Request* request : group) {
        changes += request->batch.puts().size() + request->batch.erases().size();
        bytes += request->batch.bytes();
    }
    rocksdb::WriteBatch batch(bytes +
                              changes * change_overhead_bytes);  // grown, it would be copied each time
    rocksdb::WriteOptions options;
    for (const Request* request : group) {
        append(batch, request->batch);
        options.sync = options.sync || request->durability == env::Durability::Synced;
    }
    rocksdb::Status status = db->Write(options, &batch);
    if (!status.ok() && !status.IsShutdownInProgress()) {
        // After an error in the background RocksDB refuses writes until it is resumed; space may have come
        // back.
        if (db->Resume().ok()) status = db->Write(options, &batch);
    }
    const std::expected<void, env::StoreError> result =
        status.ok() ? std::expected<void, env::StoreError>{} : std::unexpected(store_error(status));
    std::map<env::Loop*, std::vector<std::coroutine_handle<>>> done;
    for (Request* request : group) {
        request->result = result;
        done[request->loop].push_back(request->waiting);
    }
    for (auto& [loop, handles] : done) {
        loop->post([handles = std::move(handles)] {
            for (const auto handle : handles) handle.resume();
        });
    }
}

void RocksDatabase::State::take_group(std::vector<Request*>& group) {
    group.clear();
    std::size_t bytes = 0;
    for (auto* row : {&records, &contents}) {
        while (!row->empty() && (group.empty() || bytes + row->front()->batch.bytes() <= group_bytes_max)) {
            bytes += row->front()->batch.bytes();
            group.push_back(row->front());
            row->pop_front();
        }
    }
}

void RocksDatabase::State::run() {
    std::vector<Request*> group;
    std::unique_lock lock(mutex);
    for (;;) {
        wake.wait(lock, [this] { return stopping || !idle(); });
        if (idle()) return;  // stopping, and everything accepted is written
        take_group(group);
        lock.unlock();
        write_group(group);
        lock.lock();
    }
}

RocksDatabase::RocksDatabase() : state_(std::make_unique<State>()) {}

static std::vector<rocksdb::ColumnFamilyDescriptor> column_descriptors(const rocksdb::Options& options) {
    const auto cache = rocksdb::NewLRUCache(block_cache_bytes);
    std::vector<rocksdb::ColumnFamilyDescriptor> out;
    for (std::size_t i = 0; i < keyspaces; ++i) out.emplace_back(names[i], column_options(options, i, cache));
    return out;
}

std::expected<std::shared_ptr<RocksDatabase>, std::string> RocksDatabase::open(const std::string& folder) {
    std::shared_ptr<RocksDatabase> out(new RocksDatabase);
    State& state = *out->state_;
    state.folder = folder;
    rocksdb::Options options = database_options();
    // Content that outlives its memtable is read again much later, if ever: it need not pass through the page
    // cache.
    options.use_direct_io_for_flush_and_compaction = takes_direct_writes(folder);
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    const auto status = rocksdb::DB::Open(options, folder, column_descriptors(options), &handles, &db);
    if (!status.ok()) {
        const bool locked = status.ToString().find("lock") != std::string::npos;
        return std::unexpected(
            locked ? fmt::format("the queue in {} is in use: is the server running already?", folder)
                   : fmt::format("cannot open the queue in {}: {}", folder, status.ToString()));
    }
    state.db.reset(db);
    std::copy(handles.begin(), handles.end(), state.columns.begin());
    state.committer = std::thread([&state] {
        work_in_batches();
        state.run();
    });
    return out;
}

namespace {

class NoLog : public rocksdb::Logger {
 public:
    using rocksdb::Logger::Logv;
    void Logv(const char*, va_list) override {}
};

}  // namespace

std::expected<std::shared_ptr<RocksDatabase>, std::string> RocksDatabase::open_for_reading(
    const std::string& folder) {
    std::shared_ptr<RocksDatabase> out(new RocksDatabase);
    State& state = *out->state_;
    state.folder = folder;
    state.read_only = true;
    rocksdb::Options options = database_options();
    options.create_if_missing = options.create_missing_column_families = false;
    options.info_log = std::make_shared<NoLog>();  // else a file of it would appear in the folder
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    const auto status =
        rocksdb::DB::OpenForReadOnly(options, folder, column_descriptors(options), &handles, &db);
    if (!status.ok())
        return std::unexpected(fmt::format("cannot read the queue in {}: {}", folder, status.ToString()));
    state.db.reset(db);
    std::copy(handles.begin(), handles.end(), state.columns.begin());
    return out;
}

void RocksDatabase::stop() {
    {
        const std::lock_guard lock(state_->mutex);
        state_->stopping = true;
    }
    state_->wake.notify_all();
    if (state_->committer.joinable()) state_->committer.join();
}

RocksDatabase::~RocksDatabase() {
    if (!state_->db) return;
    stop();
    for (auto* column : state_->columns) state_->db->DestroyColumnFamilyHandle(column);
    state_->db->Close();
}

namespace {

struct CommitAwaiter {
    RocksDatabase::State& state;
    Request request;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) {
        request.waiting = handle;
        bool sleeping = false;
        {
            const std::lock_guard lock(state.mutex);
            sleeping = state.idle();
            const bool content = std::ranges::any_of(
                request.batch.puts(), [](const auto& put) { return put.space == env::Keyspace::Bodies; });
            (content ? state.contents : state.records).push_back(&request);
        }
        if (sleeping) state.wake.notify_one();
    }
    std::expected<void, env::StoreError> await_resume() const { return request.result; }
};

}  // namespace

env::Task<std::expected<void, env::StoreError>> RocksStore::commit(env::Batch batch,
                                                                   env::Durability durability) {
    if (database_->state().read_only) co_return std::unexpected(env::StoreError::Closed);
    CommitAwaiter awaiter{database_->state(), Request{std::move(batch), durability, &loop_, {}, {}}};
    auto result = co_await awaiter;
    co_return result;
}

env::Task<std::expected<std::optional<std::string>, env::StoreError>> RocksStore::read(env::Keyspace space,
                                                                                       std::string key) {
    auto& state = database_->state();
    std::string value;
    const auto status = state.db->Get(rocksdb::ReadOptions(), state.column(space), key, &value);
    if (status.IsNotFound()) co_return std::optional<std::string>{};
    if (!status.ok()) co_return std::unexpected(store_error(status));
    co_return std::optional(std::move(value));
}

env::Task<std::expected<std::vector<env::Store::Entry>, env::StoreError>> RocksStore::scan(
    env::Keyspace space, std::string from, std::string to, std::size_t limit) {
    auto& state = database_->state();
    // The end is told to the iterator: it must not walk over what was erased behind it.
    rocksdb::ReadOptions options;
    const rocksdb::Slice end(to);
    if (!to.empty()) options.iterate_upper_bound = &end;
    const std::unique_ptr<rocksdb::Iterator> at(state.db->NewIterator(options, state.column(space)));
    std::vector<Entry> out;
    for (at->Seek(from); at->Valid() && out.size() < limit; at->Next()) {
        out.push_back({at->key().ToString(), at->value().ToString()});
    }
    if (!at->status().ok()) co_return std::unexpected(store_error(at->status()));
    co_return out;
}

std::uint64_t RocksStore::free_bytes() const {
    struct statvfs info{};
    if (::statvfs(database_->state().folder.c_str(), &info) != 0) return UINT64_MAX;
    return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
}

}  // namespace platform
