#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "querymark/mark/snapshot.hpp"
#include "querymark/result/result_set.hpp"

namespace querymark::sqlite {

/// Where the log stands, and what became of the row that a cursor ended at: what the statement
/// `log_state` answers, given that row's id. A row's witness is a random number of its own; for
/// rows that the library wrote it is their write id.
struct LogState {
  Epoch epoch;
  std::uint64_t floor = 1;
  std::uint64_t last = 0;  ///< The highest id ever given out.
  WriteId last_witness;
  std::optional<WriteId> cursor_witness;  ///< Nothing: that row is gone.
  bool redefined = false;  ///< Definitions have changed, and the log does not say so yet.

  [[nodiscard]] Cursor cursor() const { return {epoch, Snapshot::upto({last}), last_witness}; }
  /// True when the row `id` is not the one whose witness `seen` is: ids were handed out twice.
  [[nodiscard]] bool rewound(std::uint64_t id, WriteId seen) const noexcept;
};

/// Throws SchemaError for an empty or damaged querymark_meta; `where` names the file.
[[nodiscard]] LogState state_of(const ResultSet& set, const std::string& where);

/// Of the columns `epoch` and `cursor_id`; nothing where there is no epoch.
[[nodiscard]] std::optional<Cursor> cursor_of(const Row& row);

[[nodiscard]] inline std::uint64_t last_id(const Cursor& cursor) noexcept {
  return cursor.snapshot.limit().value - 1;
}
[[nodiscard]] inline WriteId write_id_of(std::int64_t stored) noexcept {
  return {static_cast<std::uint64_t>(stored)};
}
[[nodiscard]] inline std::int64_t stored(Position position) noexcept {
  return static_cast<std::int64_t>(position.value);
}
[[nodiscard]] inline std::int64_t stored(WriteId id) noexcept {
  return static_cast<std::int64_t>(id.value);
}

/// The witness of the cursor's row; null for a cursor that does not know it.
[[nodiscard]] inline ParameterView witness_of(const Cursor& cursor) noexcept {
  return cursor.last_write == WriteId{} ? ParameterView() : as_parameter(stored(cursor.last_write));
}

}  // namespace querymark::sqlite
