#pragma once

#include <optional>
#include <string>
#include <vector>

#include "querymark/mark/snapshot.hpp"

// For writers of ports: what a wait for shared targets asks of the database.

namespace querymark {

/// Positions that a consumer's cursor has passed, of which something has not reached its target: a
/// delivery that no success has superseded.
struct CoverageGap {
  Position first;
  Position last;
  bool ended = false;  ///< Dead, expired, cancelled or discarded: nothing more will come of it.
};

/// How far one shared target's consumer has come.
struct ConsumerCoverage {
  std::string name;
  std::optional<Cursor> cursor;        ///< Nothing: it has yet to flush its target once.
  std::optional<Position> flush_owed;  ///< In place of deliveries that have died, up to here.
  std::vector<CoverageGap> gaps;       ///< In the consumer's epoch and the positions asked for.
  bool more_gaps = false;              ///< Than were listed: nothing is known to be whole.
};

/// One look at all consumers of a namespace, in one snapshot of the database.
struct LogCoverage {
  Cursor end;  ///< Where the log stands.
  std::vector<ConsumerCoverage> consumers;
};

/// What has become of a position at one consumer.
enum class Covered : unsigned char {
  not_yet,
  yes,
  never,  ///< Something of it has ended without success.
};
/// Judges a position of that epoch.
[[nodiscard]] Covered covered(const ConsumerCoverage& consumer, const Epoch& epoch,
                              Position position);

/// How far the shared targets of one namespace are. Implementations are thread-safe, may block on
/// I/O, and throw Error.
class Coverage {
 public:
  /// Most gaps that are listed of each consumer.
  static constexpr std::size_t kMaxGaps = 1000;

  virtual ~Coverage() = default;
  /// All consumers, with what has not reached their targets of the positions from `first` to
  /// `last`. One statement, whoever waits for however many of them.
  [[nodiscard]] virtual LogCoverage coverage(Position first, Position last) = 0;
};

}  // namespace querymark
