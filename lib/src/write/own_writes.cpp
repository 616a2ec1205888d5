#include "querymark/write/own_writes.hpp"

#include <algorithm>
#include <array>

#include "querymark/support/error.hpp"
#include "querymark/support/random.hpp"

namespace querymark {
namespace {

// Of own rows that the log has yet to show: they take memory, and one look takes them all back.
constexpr std::size_t kMostBehind = 2000;

}  // namespace

void PendingWrite::add(const Target& target, Position position) {
  updates.push_back(MarkUpdate::of(target, position));
  receipt.position = std::max(receipt.position, position);
  ++receipt.intents;
}

WriteId random_write_id() { return WriteId{random_u64()}; }

PendingWrite begin_pending(std::string namespace_name, Epoch epoch, WriteId write) {
  return {.receipt = {std::move(namespace_name), epoch, {}, write, 0},
          .updates = {},
          .follows = std::nullopt,
          .rows = std::nullopt};
}

void OwnWrites::admit(const IntentBatch& intents, bool require_intents) {
  if (!intents.empty()) return;
  if (require_intents)
    throw ConfigError(
        "this write declares no intents, and the database was opened with require_intents");
  without_intents_.fetch_add(1);
}

void OwnWrites::apply(const PendingWrite& write) {
  writes_.fetch_add(1);
  const Receipt& receipt = write.receipt;
  subscriber_.remember_own(receipt);
  // Why no second read is needed. Under the write lock the log ended at this cursor (its last row
  // is the one that the cursor saw, of the same epoch: not rewound, not restored), then took the
  // write's own rows and nothing else, and the commit is acknowledged. So the rows between the two
  // cursors are the updates. If the marks have left that cursor meanwhile (a read that was faster,
  // another writer, another epoch) this is just an own write like any other. Trust is not extended:
  // the log was not asked.
  if (write.follows &&
      marks_.apply_next(*write.follows, write.updates,
                        {receipt.epoch, Snapshot::upto(receipt.position), receipt.write}))
    return;
  marks_.apply_own(receipt.epoch, write.updates,
                   write.whole() ? std::optional(receipt.position) : std::nullopt);
}

void OwnWrites::follow(const PendingWrite& write) noexcept {
  if (write.silent()) return;
  const Receipt& receipt = write.receipt;
  if (marks_.includes_all(receipt.epoch, receipt.position)) return;
  if (write.whole() && marks_.includes(receipt.epoch, receipt.position)) {
    if (marks_.remembered() >= kMostBehind) subscriber_.ask();
  } else if (!subscriber_.try_catch_up() && !write.whole()) {
    // What others have put into the log by it may be about anything. Snapshots that end before it do not
    // show that either, a replica's for instance, though they may show more than was read of the log.
    const std::array everything{MarkUpdate::everything(), MarkUpdate::everything(receipt.position)};
    marks_.apply_unconfirmed(everything);
  }
}

void OwnWrites::found_committed(const Receipt& receipt) noexcept {
  follow({.receipt = receipt, .updates = {}, .follows = std::nullopt, .rows = 1});
}

void OwnWrites::doubt(const PendingWrite& write) {
  marks_.apply_unconfirmed(write.updates);
  in_doubt_.fetch_add(1);
}

void OwnWrites::flush_local() noexcept {
  const MarkUpdate everything = MarkUpdate::everything();
  marks_.apply_unconfirmed({&everything, 1});
}

DatabaseStats OwnWrites::stats() const {
  return {.writes = writes_.load(),
          .writes_without_intents = without_intents_.load(),
          .in_doubt = in_doubt_.load(),
          .polls = subscriber_.polls(),
          .poll_failures = subscriber_.failures(),
          .malformed_rows = subscriber_.malformed_rows(),
          .restarts = marks_.restarts(),
          .horizon_age = subscriber_.horizon_age(),
          .last_error = subscriber_.last_error(),
          .doorbell_error = subscriber_.doorbell_error()};
}

}  // namespace querymark
