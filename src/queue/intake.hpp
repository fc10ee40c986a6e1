// How a message becomes ours. One Intake for each loop (it may be called from that loop only); it writes to
// the shared store and then hands the envelope to the queue manager's loop. Bodies are written in chunks as
// they arrive, so memory per message is bounded by `chunk`; the last batch (rest of the body, envelope,
// state) is the one that is synced.
#pragma once

#include "env/task.hpp"
#include "mail/envelope.hpp"
#include "queue/receipt.hpp"

#include <expected>
#include <memory>
#include <string>
#include <string_view>

namespace queue {

enum class QueueError {
    NoSpace,  // 452 4.3.1: the store's disk is full or under queue_minfree
    Store,    // 451 4.3.0: the store failed
    Closing,  // 421: the server stops
};

/// A message on its way in. Abandoned (its chunks erased) when destroyed without commit().
class IncomingMessage {
 public:
    virtual ~IncomingMessage() = default;
    virtual const QueueId& id() const = 0;
    /// The next octets of the content, CRLF line ends, no dot-stuffing. Suspends when a chunk must be
    /// written.
    virtual env::Task<std::expected<void, QueueError>> append(std::string_view content) = 0;
    virtual std::uint64_t size() const = 0;
    /// A mark in Keyspace::History that becomes durable with the message, for who looks at it later. Before
    /// commit(); one for each message.
    virtual void mark(std::string key) = 0;
    /// `prepend`: header lines (each with CRLF) that stand before what was appended: Received:, PREPEND
    /// results. Durable when the task is done: the only source of a Receipt.
    virtual env::Task<std::expected<Receipt, QueueError>> commit(mail::Envelope envelope,
                                                                 std::string prepend) = 0;
};

class Intake {
 public:
    virtual ~Intake() = default;
    /// NoSpace/Closing without a write when it is known already.
    virtual std::expected<std::unique_ptr<IncomingMessage>, QueueError> begin() = 0;

 protected:
    static Receipt make_receipt(QueueId id) { return Receipt{std::move(id)}; }
};

}  // namespace queue
