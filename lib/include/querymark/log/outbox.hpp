#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "querymark/key/target.hpp"
#include "querymark/log/receipt.hpp"
#include "querymark/mark/snapshot.hpp"

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

/// Which rows to read: what `from` does not cover, up to `upto`, in order of (position, id).
struct TailRequest {
  Cursor from;
  /// The fixed end of a catch-up that takes several pages; nothing asks for the newest.
  std::optional<Cursor> upto;
  /// The last row of the page before.
  std::optional<LogRow> after;
  std::size_t limit = 5000;
};

enum class TailStatus : std::uint8_t {
  ok,
  history_changed,  ///< Another epoch (restore, failover, a replaced file): start again at `upto`.
  pruned,           ///< Rows that `from` has not seen are gone: start again at `upto`.
};

struct TailPage {
  TailStatus status = TailStatus::ok;
  std::vector<LogRow> rows;
  Cursor upto;        ///< Where the consumer stands after the last page.
  bool more = false;  ///< Ask again with this `upto` and the last row.
  Position floor;     ///< Rows at or above are retained.
};

/// No lease may be longer, so one that ends later was taken while a clock was wrong, and counts as
/// ended.
inline constexpr std::chrono::milliseconds kLongestLease = std::chrono::hours(1);
/// Throws ConfigError for a lease that is negative or longer.
void require_lease(std::chrono::milliseconds lease);

/// A segment of the log that a worker has claimed for one shared target. Valid until its lease ends
/// or its consumer is claimed anew; every use is guarded by the token.
struct Claim {
  std::string consumer;
  WriteId token;
  Cursor from;
  Cursor upto;
  /// The target is new, or the log's history changed or was pruned past it: flush it instead of
  /// reading.
  bool flush_first = false;
};

enum class ClaimStatus : std::uint8_t { claimed, nothing_new, held_elsewhere };

struct ClaimResult {
  ClaimStatus status = ClaimStatus::nothing_new;
  Claim claim;  ///< Meaningful when claimed.
};

/// The log of one namespace as consumers see it: a small port with one implementation per database
/// and one in memory (`MemoryOutbox`). Implementations are thread-safe, may block on I/O, and throw
/// Error.
class Outbox {
 public:
  virtual ~Outbox() = default;

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

  /// Claims what is new for `consumer`, registering it when unknown. Takes a fresh token and a
  /// lease of `lease` by the database's clock, at most `kLongestLease`. `owner` may claim again
  /// while its own lease runs.
  [[nodiscard]] virtual ClaimResult claim(const std::string& consumer, const std::string& owner,
                                          std::chrono::milliseconds lease) = 0;
  /// Moves the consumer's cursor to the claim's end. False: fenced, somebody else has claimed
  /// since.
  [[nodiscard]] virtual bool advance(const Claim& claim) = 0;
  /// Extends the lease. False: fenced.
  [[nodiscard]] virtual bool renew(const Claim& claim, std::chrono::milliseconds lease) = 0;
  /// Ends the owner's lease, so that another worker need not wait for it. No effect when fenced.
  virtual void release(const std::string& consumer, const std::string& owner) = 0;
};

/// Tells a consumer that the log may have grown. A hint: it may be lost, early or spurious.
class Doorbell {
 public:
  virtual ~Doorbell() = default;
  /// Returns when something may have been committed, after `timeout`, or after `interrupt()`.
  virtual void wait(std::chrono::nanoseconds timeout) = 0;
  /// Ends the current or the next wait. Thread-safe.
  virtual void interrupt() = 0;
};

}  // namespace querymark
