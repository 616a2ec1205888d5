#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "querymark/mark/snapshot.hpp"

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
};

enum class ClaimStatus : std::uint8_t { claimed, nothing_new, held_elsewhere };

struct ClaimResult {
  ClaimStatus status = ClaimStatus::nothing_new;
  Claim claim;  ///< Meaningful when claimed.
};

/// How far each shared target's consumer has come in the log of one namespace, and who may move it.
/// The rows themselves are read through the same log's `LogReader`. Implementations are
/// thread-safe, may block on I/O, and throw Error.
class LogClaims {
 public:
  virtual ~LogClaims() = default;

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

}  // namespace querymark
