#pragma once

#include <array>
#include <chrono>
#include <cstdint>

#include "querymark/read/outcome.hpp"
#include "soak/ledger.hpp"

namespace querymark::test::soak {

/// What a read must have seen.
enum class Sees : std::uint8_t {
  own,  ///< What its process has written or waited for, and what all processes were waited for to know.
  all,  ///< What anybody had been told that it is committed.
};

/// What a read is compared with, taken before it begins.
struct Due {
  Table table;
  std::int64_t id;  ///< Of a row, or of a group.
  bool group;
  std::int64_t floor;
  Instant began;
};

/// Whether reads keep what they promise. Its verdicts hold however threads are scheduled: a value is compared with
/// what had been acknowledged *before* the read began, and the times of acknowledgements are taken after the
/// commits. Being held up anywhere can only make it more lenient.
class Judge {
 public:
  /// `max_lag`: that of all databases. `own`: what this process has seen to be committed.
  Judge(Ledger& ledger, const Floors& own, std::chrono::milliseconds max_lag);

  [[nodiscard]] Due row(Sees sees, Table table, std::int64_t id) const;
  [[nodiscard]] Due group(Sees sees, Table table, std::int64_t group) const;
  /// Of a row that has been seen to be at least `floor`.
  [[nodiscard]] static Due at_least(Table table, std::int64_t id, std::int64_t floor);

  void judge(Tally& tally, const Due& due, std::int64_t seen, const Outcome& outcome);

 private:
  // No process serves what was overtaken more than `max_lag` before. That bound is exact; the rest is there for
  // clocks that are read coarsely.
  static constexpr std::chrono::milliseconds kGrace{500};

  Ledger& ledger_;
  const Floors& own_;
  std::chrono::milliseconds max_lag_;
  std::array<Tally*, 3> by_origin_;
};

}  // namespace querymark::test::soak
