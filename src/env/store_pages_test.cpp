#include "env/store_pages.hpp"

#include <gtest/gtest.h>
#include <map>

namespace env {
namespace {

class MapStore : public Store {
 public:
    std::map<std::string, std::string> entries;
    int failures = 0, scans = 0;
    Task<std::expected<void, StoreError>> commit(Batch, Durability) override {
        co_return std::unexpected(StoreError::Io);
    }
    Task<std::expected<std::optional<std::string>, StoreError>> read(Keyspace, std::string) override {
        co_return std::unexpected(StoreError::Io);
    }
    Task<std::expected<std::vector<Entry>, StoreError>> scan(Keyspace, std::string from, std::string to,
                                                             std::size_t limit) override {
        ++scans;
        if (failures > 0) {
            --failures;
            co_return std::unexpected(StoreError::Io);
        }
        std::vector<Entry> out;
        for (auto at = entries.lower_bound(from); at != entries.end() && out.size() < limit; ++at)
            if (to.empty() || at->first < to) out.push_back({at->first, at->second});
        co_return out;
    }
    std::uint64_t free_bytes() const override { return 0; }
};

TEST(StorePages, EveryEntryOnce) {
    MapStore store;
    for (const auto* key : {"a", "b", "ba", "c", "d"}) store.entries[key] = "";
    store.entries[std::string("b\0", 2)] = "";  // the very next key behind "b"
    const std::vector<std::string> inside{"b", std::string("b\0", 2), "ba", "c"};
    for (std::size_t page = 1; page < 7; ++page) {
        StorePages pages(store, Keyspace::Meta, "b", "d", page);
        std::vector<std::string> seen;
        while (pages.more()) {
            const auto entries = run_now(pages.next());
            ASSERT_TRUE(entries);
            EXPECT_LE(entries->size(), page);
            for (const auto& entry : *entries) seen.push_back(entry.key);
        }
        EXPECT_EQ(seen, inside) << page;
    }
}

TEST(StorePages, AFailedPageCanBeAskedForAgain) {
    MapStore store;
    store.entries = {{"a", "1"}, {"b", "2"}};
    StorePages pages(store, Keyspace::Meta, "", "", 1);
    EXPECT_TRUE(run_now(pages.next()));
    store.failures = 1;
    EXPECT_FALSE(run_now(pages.next()));
    ASSERT_TRUE(pages.more());
    EXPECT_EQ(run_now(pages.next())->front().key, "b");
}

TEST(StorePages, AShortPageIsTheLast) {
    MapStore store;
    store.entries = {{"a", "1"}};
    StorePages pages(store, Keyspace::Meta, "", "", 2);
    EXPECT_EQ(run_now(pages.next())->size(), 1U);
    EXPECT_FALSE(pages.more());
    EXPECT_EQ(store.scans, 1);
}

}  // namespace
}  // namespace env
