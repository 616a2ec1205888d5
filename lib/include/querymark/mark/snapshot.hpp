#pragma once  // For writers of ports.

#include <vector>

#include "querymark/mark/position.hpp"

namespace querymark {

/// A set of positions that are known: everything below `xmin`, and between `xmin` and `xmax` what
/// is not in progress. SQLite's writers are serialized, so there xmin equals xmax. A value type.
class Snapshot {
 public:
  /// Knows nothing.
  Snapshot() = default;
  /// Everything up to and including `last` (SQLite).
  [[nodiscard]] static Snapshot upto(Position last);
  /// Postgres `pg_snapshot`. Requires xmin <= xmax; `in_progress` may come in any order, and what
  /// lies outside [xmin, xmax) is dropped.
  Snapshot(Position xmin, Position xmax, std::vector<Position> in_progress);

  [[nodiscard]] bool covers(Position position) const noexcept;
  /// Covers every position that `other` covers. Exact; linear in both lists.
  [[nodiscard]] bool contains(const Snapshot& other) const noexcept;
  /// Covers what both cover. Linear in both lists.
  [[nodiscard]] Snapshot intersected(const Snapshot& other) const;
  /// How far somebody has come who stood here and has since read, in order of position, what `upto`
  /// covers up to and including `last`: covers what either covers, of `upto` only that much.
  /// Requires that `upto` contains this snapshot. Linear in both lists.
  [[nodiscard]] Snapshot cut(const Snapshot& upto, Position last) const;
  /// Everything below is covered.
  [[nodiscard]] Position horizon() const noexcept { return xmin_; }
  /// Nothing at or above is covered: the first position that may still be given out.
  [[nodiscard]] Position limit() const noexcept { return xmax_; }
  [[nodiscard]] const std::vector<Position>& in_progress() const noexcept { return in_progress_; }
  friend bool operator==(const Snapshot&, const Snapshot&) = default;

 private:
  Position xmin_{1};
  Position xmax_{1};
  std::vector<Position> in_progress_;  // sorted
};

/// How far a consumer has applied the log: the epoch, what it knows, and the write id of the last
/// row below `snapshot`'s limit, by which SQLite proves that the file was not rewound.
struct Cursor {
  Epoch epoch;
  Snapshot snapshot;
  WriteId last_write;
  friend bool operator==(const Cursor&, const Cursor&) = default;
};

}  // namespace querymark
