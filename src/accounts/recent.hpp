// A table that keeps the entries used last and forgets the others: its memory is bounded whoever fills it.
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace accounts {

template <class Record>
class Recent {
 public:
    explicit Recent(std::size_t entries_max) : entries_max_(entries_max) {}
    /// nullptr: not known (any more). Looking does not make an entry younger.
    const Record* find(std::string_view key) const {
        const auto found = by_key_.find(key);
        return found == by_key_.end() ? nullptr : &found->second->second;
    }
    /// The entry, new where there was none; now the youngest. Valid until the next call.
    Record& use(const std::string& key) {
        const auto found = by_key_.find(key);
        if (found != by_key_.end()) {
            entries_.splice(entries_.begin(), entries_, found->second);
        } else {
            entries_.emplace_front(key, Record{});
            by_key_.emplace(entries_.front().first, entries_.begin());
            if (entries_.size() > entries_max_) {
                by_key_.erase(by_key_.find(entries_.back().first));
                entries_.pop_back();
            }
        }
        return entries_.front().second;
    }
    void forget(std::string_view key) {
        const auto found = by_key_.find(key);
        if (found == by_key_.end()) return;
        const auto entry = found->second;
        by_key_.erase(found);
        entries_.erase(entry);
    }
    std::size_t size() const { return entries_.size(); }

 private:
    using Entries = std::list<std::pair<std::string, Record>>;
    std::size_t entries_max_;
    Entries entries_;                                                             // the youngest first
    std::map<std::string_view, typename Entries::iterator, std::less<>> by_key_;  // keys live in entries_
};

}  // namespace accounts
