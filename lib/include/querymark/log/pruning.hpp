#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "querymark/mark/snapshot.hpp"

// For writers of ports: how a database's log is kept from growing for ever.

namespace querymark {

/// Whoever the log is kept for: consumers and subscribers of all namespaces.
struct LogHolder {
  enum class Kind : std::uint8_t { consumer, subscriber } kind = Kind::consumer;
  std::string namespace_name;
  std::string name;  ///< A consumer's; for people who a subscriber is: "shop on web1, pid 7".
  /// Nothing: it has yet to start, with a flush; it holds nothing.
  std::optional<Cursor> cursor;
};

/// What was known once: everything that it covers is at least that old.
struct RecordedSnapshot {
  Snapshot snapshot;
  std::chrono::milliseconds age{};  ///< By the database's clock.
};

/// The log as whoever prunes it sees it.
struct LogExtent {
  Epoch epoch;
  Snapshot now;
  /// Rows that it covers may be gone; all others are there.
  Snapshot pruned;
  std::uint64_t rows = 0;      ///< That `pruned` does not cover, about.
  std::uint64_t leftover = 0;  ///< That it covers and that are still there, about.
  /// Of the table and its indexes; nothing where the database does not tell.
  std::optional<std::uint64_t> bytes;
  /// Subscribers that have not been heard of for their lease are left out: the dead hold nothing.
  std::vector<LogHolder> holders;
  /// Of this epoch, the oldest first.
  std::vector<RecordedSnapshot> recorded;
};

/// What keeps the horizon where it is: the oldest transaction with an id. For people.
struct HorizonHolder {
  std::string what;         ///< "transaction", "prepared transaction"
  std::int64_t pid = 0;     ///< Of the server process; 0: none.
  std::string application;  ///< Or the prepared transaction's name.
  std::string state;        ///< "idle in transaction", "active"...; empty where that is hidden.
  std::string database;
  /// Since it began; nothing where the server does not tell this role.
  std::optional<std::chrono::milliseconds> age;
};

/// What came of removing rows.
struct Removed {
  std::size_t rows = 0;
  bool more = false;  ///< Rows that may go are left.
  bool busy = false;  ///< Another pruner is at it: nothing was done.
};

/// The log of a database, all namespaces together, and what may go of it. What is safe no pruner
/// decides: a cursor that does not cover `pruned` is not whole, and whoever has it starts again at
/// the log's present, which each of its looks finds out in its own snapshot. Implementations are
/// thread-safe, may block on I/O, and throw Error.
class Pruning {
 public:
  virtual ~Pruning() = default;

  /// Cheap at any size of the log.
  [[nodiscard]] virtual LogExtent extent() = 0;
  /// Records the snapshot of now, unless the newest that is recorded is younger than `apart`; and
  /// forgets those that are older than the newest one older than `keep`. False: nothing recorded.
  virtual bool record_snapshot(std::chrono::milliseconds apart, std::chrono::milliseconds keep) = 0;
  /// From now on what `snapshot` covers may be gone, too. False: the epoch is another by now.
  /// Never covers an id that is running: requires a snapshot that this log has shown.
  [[nodiscard]] virtual bool allow(Epoch epoch, const Snapshot& snapshot) = 0;
  /// Removes up to `limit` rows that may be gone, the oldest first, in one transaction. Blocks for
  /// no other pruner.
  [[nodiscard]] virtual Removed remove(std::size_t limit) = 0;
  /// Removes up to `limit` deliveries that ended longer than `keep` ago, in one transaction: the
  /// superseded, the cancelled, the discarded. What is dead or expired stays until somebody decides.
  /// Returns how many.
  virtual std::size_t remove_deliveries(std::chrono::milliseconds keep, std::size_t limit) = 0;
  /// What holds the horizon; nothing: nobody does, or nobody can (SQLite).
  [[nodiscard]] virtual std::optional<HorizonHolder> horizon_holder() { return std::nullopt; }
};

}  // namespace querymark
