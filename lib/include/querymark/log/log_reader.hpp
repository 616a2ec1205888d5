#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "querymark/key/target.hpp"
#include "querymark/log/receipt.hpp"
#include "querymark/log/subscribers.hpp"
#include "querymark/mark/snapshot.hpp"
#include "querymark/support/clock.hpp"

// For writers of ports: what a database's adapter implements so that subscribers can follow it.

namespace querymark {

/// One row of the log.
struct LogRow {
  std::uint64_t id = 0;  ///< Order within a page; unique.
  Position position;
  WriteId write;
  /// What to invalidate; nothing when the row is malformed. Consumers treat such a row as a flush:
  /// what it meant is unknown, so anything may be stale.
  std::optional<Target> target;
};

/// A heartbeat that travels with a look at the log: it reports the request's `from`.
struct Heartbeat {
  SubscriberId id;
  bool count_live = false;  ///< Tell how many subscribers there are.
};

/// Which rows to read: what `from` does not cover, up to `upto`, in order of (position, id).
struct TailRequest {
  Cursor from;
  /// The fixed end of a catch-up that takes several pages; nothing asks for the newest.
  std::optional<Cursor> upto;
  /// The last row of the page before.
  std::optional<LogRow> after;
  std::size_t limit = 5000;
  /// Somebody has rung: rows are to be expected, so that asking first whether there are any is in vain.
  bool rung = false;
  /// Counts when the page is read; where the history has changed, it may be lost.
  std::optional<Heartbeat> beat;
  /// Everything that was committed before is to be shown. Of a relayed log what is at hand may do,
  /// and the page then says as of when that is everything.
  bool current = true;
};

enum class TailStatus : std::uint8_t {
  ok,
  history_changed,  ///< Another epoch (restore, failover, a replaced file): start again at `upto`.
  pruned,           ///< Rows that `from` has not seen are gone: start again at `upto`.
};

struct TailPage {
  TailStatus status = TailStatus::ok;
  std::vector<LogRow> rows;
  Cursor upto;                   ///< Where the consumer stands after the last page.
  bool more = false;             ///< Ask again with this `upto` and the last row.
  Position floor;                ///< Rows at or above are retained.
  std::optional<Beaten> beaten;  ///< What came of the heartbeat. Nothing: none was sent.
  /// Of a relayed log: with this page, everything that was committed before this time was shown.
  /// Nothing: that is not known, so it proves no freshness.
  std::optional<MonotonicTime> as_of{};
};

/// The log of one namespace as whoever follows it sees it. One implementation per database and one
/// in memory (`MemoryOutbox`). Implementations are thread-safe, may block on I/O, and throw Error.
class LogReader {
 public:
  virtual ~LogReader() = default;

  /// The newest cursor, for a consumer that starts.
  [[nodiscard]] virtual Cursor now() = 0;
  /// One page of the log. Before it reports `history_changed`, an implementation has made sure that
  /// no later load runs on a connection to the old history.
  [[nodiscard]] virtual TailPage read(const TailRequest& request) = 0;
  /// Where the retained log begins: reading from here shows every row at or above the floor.
  [[nodiscard]] virtual Cursor retained() = 0;
  /// Whether the log holds the receipt's write, by epoch, position and write id. What is pruned, it
  /// does not hold.
  [[nodiscard]] virtual bool holds(const Receipt& receipt) = 0;
  /// Whether the log shows that the receipt's write is none of this history, though its position is
  /// covered: the position was given to another write, after a restore that nobody watched. False
  /// when nothing can be told, because the position is pruned.
  [[nodiscard]] virtual bool refutes(const Receipt& receipt) {
    static_cast<void>(receipt);
    return false;
  }
  /// Whether others read the log and hand it on: a look that must be current waits for them.
  [[nodiscard]] virtual bool relayed() const noexcept { return false; }
};

}  // namespace querymark
