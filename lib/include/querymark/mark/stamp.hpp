#pragma once  // For writers of ports.

#include <cstdint>

#include "querymark/mark/position.hpp"

namespace querymark {

/// What a value in a shared tier is known to include: every committed position below `horizon`.
struct SharedStamp {
  Epoch epoch{};
  Position horizon{};
  /// Write id of the last log row below the horizon, where the database keeps such a proof
  /// (SQLite): a tier that survives the process can tell by it that the database file was rewound.
  /// Zero: no proof.
  WriteId witness{};
  friend bool operator==(const SharedStamp&, const SharedStamp&) = default;
};

/// What a load is known to include, taken before it asks the database: every invalidation that this
/// process had applied up to `generation`, and every position below the shared stamp's horizon.
struct Stamp {
  std::uint64_t generation = 0;
  SharedStamp shared{};
};

}  // namespace querymark
