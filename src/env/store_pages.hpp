// The entries of a range of the store, a page at a time: what is long is never read whole. What happens to
// the range meanwhile shows in the pages that are not read yet. Header only; belongs to the store's loop.
#pragma once

#include "env/store.hpp"

#include <string>
#include <utility>
#include <vector>

namespace env {

class StorePages {
 public:
    /// Keys with from <= key < to (`to` empty: no end), `page` of them at once.
    StorePages(Store& store, Keyspace space, std::string from, std::string to, std::size_t page)
        : store_(store), space_(space), from_(std::move(from)), to_(std::move(to)), page_(page) {}
    /// False: next() would give nothing more.
    bool more() const { return more_; }
    /// An error changes nothing: the same page can be asked for again.
    Task<std::expected<std::vector<Store::Entry>, StoreError>> next() {
        auto entries = co_await store_.scan(space_, from_, to_, page_);
        if (!entries) co_return entries;
        more_ = entries->size() >= page_;
        if (more_) from_ = entries->back().key + '\0';
        co_return entries;
    }

 private:
    Store& store_;
    Keyspace space_;
    std::string from_, to_;
    std::size_t page_;
    bool more_ = true;
};

}  // namespace env
