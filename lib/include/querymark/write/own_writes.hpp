#pragma once  // For users: the statistics. For writers of ports: the rest.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "querymark/follow/subscriber.hpp"
#include "querymark/log/intent.hpp"
#include "querymark/log/receipt.hpp"
#include "querymark/mark/marks.hpp"
#include "querymark/observe/metric.hpp"

namespace querymark {

/// What one transaction has put into the log, before its commit is known.
struct PendingWrite {
  Receipt receipt;
  std::vector<MarkUpdate> updates;
  /// This process's cursor, if the transaction has proved while nobody else could write that its
  /// own rows are all that the log holds behind it, up to the receipt's position.
  std::optional<Cursor> follows;
  /// How many rows the transaction has put into the log, whoever in it did, if they were counted; or
  /// more than its updates, where others may have put some that nobody has counted.
  std::optional<std::uint64_t> rows;

  /// Counts an intent that stands in the log at `position`.
  void add(const Target& target, Position position);
  /// The updates are known to be all that the transaction has put into the log.
  [[nodiscard]] bool whole() const noexcept { return rows == updates.size(); }
  /// It has put nothing into the log, as far as anybody knows.
  [[nodiscard]] bool silent() const noexcept { return updates.empty() && rows.value_or(0) == 0; }
};

/// Of a write that begins.
[[nodiscard]] WriteId random_write_id();
/// An empty pending write.
[[nodiscard]] PendingWrite begin_pending(std::string namespace_name, Epoch epoch,
                                         WriteId write = random_write_id());

struct DatabaseStats {
  std::uint64_t writes = 0;
  std::uint64_t writes_without_intents = 0;
  std::uint64_t in_doubt = 0;  ///< Commits and staged intents whose outcome stayed unknown.
  std::uint64_t polls = 0;     ///< Of the log.
  std::uint64_t poll_failures = 0;
  std::uint64_t malformed_rows = 0;  ///< Log rows that were applied as a flush.
  std::uint64_t restarts = 0;        ///< Of the marks: start, new epochs, jumps.
  /// How long the horizon has stood still below what is committed: some transaction of the server
  /// (on PostgreSQL of any of its databases, also a prepared one) is open. Until it ends, shared
  /// tiers do not serve what was written since; memory does.
  std::chrono::nanoseconds horizon_age{};
  std::string last_error;  ///< Of the last poll; empty when it went well.
  /// Why nothing rings: of the last wait for the doorbell, empty when it went well. Polls find the
  /// writes meanwhile.
  std::string doorbell_error;
};

template <>
struct MetricsOf<DatabaseStats> {
  static constexpr std::string_view kGroup = "database";
  template <class Visit>
  static void visit(const DatabaseStats& stats, Visit&& visit) {
    using enum MetricKind;
    using enum MetricUnit;
    visit({"writes", "Write transactions that were committed."}, stats.writes);
    visit({"writes_without_intents", "Of these, those that invalidated nothing."},
          stats.writes_without_intents);
    visit({"in_doubt", "Commits and staged intents whose outcome stayed unknown."}, stats.in_doubt);
    visit({"polls", "Looks at the log."}, stats.polls);
    visit({"poll_failures", "Looks at the log that failed."}, stats.poll_failures);
    visit({"malformed_rows", "Rows of the log that were applied as a flush."},
          stats.malformed_rows);
    visit({"restarts", "Times that the marks began anew."}, stats.restarts);
    visit({"horizon_age", "How long an open transaction has held the horizon.", gauge, seconds},
          stats.horizon_age);
    visit({"last_error", "Of the last look at the log.", text}, stats.last_error);
    visit({"doorbell_error", "Of the last wait for the doorbell.", text}, stats.doorbell_error);
  }
};

/// What follows a process's own commits, on every database: marks first, then a look at the log,
/// unless the write's rows are known as a whole. Thread-safe. The marks and the subscriber must
/// outlive it.
class OwnWrites {
 public:
  OwnWrites(Marks& marks, Subscriber& subscriber) : marks_(marks), subscriber_(subscriber) {}

  /// Counts a write without intents; throws ConfigError when they are required.
  void admit(const IntentBatch& intents, bool require_intents);
  /// Applies an acknowledged commit to the marks, and moves the cursor over its rows when they
  /// follow on directly. Blocks for no I/O.
  void apply(const PendingWrite& write);
  /// Looks at the log after a commit, unless the marks include all of it. The write has succeeded and
  /// its marks are applied, so a failure is only counted, and while the log can't be read the
  /// subscriber's thread is rung instead: many writers do not wait for one timeout after another. Where
  /// others may have put rows into it, triggers for instance, everything is stale then.
  /// The thread is rung, too, when much that is applied has yet to be seen in the log.
  void follow(const PendingWrite& write) noexcept;
  /// Applies what may have been committed; the log will apply it again.
  void doubt(const PendingWrite& write);
  /// A write of whoever's has turned out to be committed: `follow`, where nothing is known of its rows.
  void found_committed(const Receipt& receipt) noexcept;
  /// Invalidates everything in this process's view.
  void flush_local() noexcept;

  [[nodiscard]] DatabaseStats stats() const;

 private:
  Marks& marks_;
  Subscriber& subscriber_;
  std::atomic<std::uint64_t> writes_{0}, without_intents_{0}, in_doubt_{0};
};

}  // namespace querymark
