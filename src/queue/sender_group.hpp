// Whose mail a message is, for fairness: a newsletter of 100,000 messages is one sender and takes one turn
// where a single letter takes one. Pure.
#pragma once

#include "mail/envelope.hpp"

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <optional>

namespace queue {

/// The account that handed it in; else the envelope sender without what changes from message to message (a
/// recipient in it, as VERP has, what follows "+", digits). One of 4096 numbers, which bounds what rows of
/// turns take: now and then two senders share a turn.
using SenderGroup = std::uint16_t;
constexpr SenderGroup sender_groups = 4096;
SenderGroup sender_group(const mail::Envelope& envelope);

/// A row in which senders take turns, and each sender's entries keep their order.
template <class T>
class FairRow {
 public:
    void push(SenderGroup sender, T value) {
        auto [at, is_new] = by_sender_.try_emplace(sender);
        if (is_new) at->second = turns_.insert(turns_.end(), {sender, {}});
        at->second->second.push_back(std::move(value));
        ++size_;
    }
    std::optional<T> pop() {
        return pop_if([](SenderGroup) { return true; });
    }
    /// Of the first sender in turn that `may`; who may not keeps its turn.
    template <class May>
    std::optional<T> pop_if(May may) {
        auto turn = turns_.begin();
        while (turn != turns_.end() && !may(turn->first)) ++turn;
        if (turn == turns_.end()) return std::nullopt;
        std::optional<T> out(std::move(turn->second.front()));
        turn->second.pop_front();
        --size_;
        if (turn->second.empty()) {
            by_sender_.erase(turn->first);
            turns_.erase(turn);
        } else {
            turns_.splice(turns_.end(), turns_, turn);
        }
        return out;
    }
    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }

 private:
    using Turns = std::list<std::pair<SenderGroup, std::deque<T>>>;
    Turns turns_;
    std::map<SenderGroup, typename Turns::iterator> by_sender_;
    std::size_t size_ = 0;
};

}  // namespace queue
