#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "querymark/mark/snapshot.hpp"
#include "querymark/support/clock.hpp"

// For writers of ports: what a database's adapter implements so that workers can share the work.

namespace querymark {

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
  /// How often the segment behind the cursor has been claimed without moving it, this time
  /// included: from the second time on, one of its rows may be what kills workers.
  unsigned attempts = 1;
  /// A flush that is owed in place of deliveries that have died, up to here.
  std::optional<Position> flush_owed;
  /// Deliveries of the consumer wait, due or not.
  bool waiting = false;
  /// By the database's clock, when the claim was made.
  WallTime now;
};

enum class ClaimStatus : std::uint8_t { claimed, nothing_new, held_elsewhere };

struct ClaimResult {
  ClaimStatus status = ClaimStatus::nothing_new;
  /// Meaningful when claimed; of nothing_new its `from` and `upto`: where the consumer stands, and the
  /// end of the log, between which there is nothing.
  Claim claim;
  /// Of nothing_new: in how long the next delivery is due. Nothing: none waits.
  std::optional<std::chrono::milliseconds> next_due;
};

/// How far each shared target's consumer has come in the log of one namespace, and who may move it.
/// The rows themselves are read through the same log's `LogReader`. Implementations are
/// thread-safe, may block on I/O, and throw Error.
class LogClaims {
 public:
  virtual ~LogClaims() = default;

  /// Claims what is new or due for `consumer`, registering it when unknown. Takes a fresh token and
  /// a lease of `lease` by the database's clock, at most `kLongestLease`. `owner` may claim again
  /// while its own lease runs.
  [[nodiscard]] virtual ClaimResult claim(const std::string& consumer, const std::string& owner,
                                          std::chrono::milliseconds lease) = 0;
  /// Moves the consumer's cursor within the claim's segment, or to its end: everything up to there
  /// is applied. False: fenced, somebody else has claimed since.
  [[nodiscard]] virtual bool advance(const Claim& claim, const Cursor& cursor) = 0;
  /// To its end.
  [[nodiscard]] bool finish(const Claim& claim) { return advance(claim, claim.upto); }
  /// Extends the lease. False: fenced.
  [[nodiscard]] virtual bool renew(const Claim& claim, std::chrono::milliseconds lease) = 0;
  /// Ends the owner's lease, so that another worker need not wait for it. No effect when fenced.
  virtual void release(const std::string& consumer, const std::string& owner) = 0;
};

}  // namespace querymark
