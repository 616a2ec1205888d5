#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "querymark/log/delivery.hpp"
#include "querymark/log/log_claims.hpp"
#include "querymark/log/shared_invalidation.hpp"

// For writers of ports: where a database keeps what did not reach a shared target at once.

namespace querymark {

/// A delivery that the worker leaves behind when it moves on: a row of the log that the target did
/// not take, or that nobody could read.
struct LeftBehind {
  std::optional<Target> target;  ///< Nothing: malformed; then it is dead.
  Position first_position;
  Position position;
  DeliveryState state = DeliveryState::pending;  ///< pending, dead or expired
  std::chrono::milliseconds pause{};             ///< Until it is due, if it is pending.
  std::string error;
};

/// What a page came to.
struct Progress {
  /// Where the consumer then stands.
  Cursor cursor;
  std::vector<LeftBehind> left;
  /// What was applied: waiting deliveries of equal targets, and all below a flush, are superseded,
  /// as far as their positions are no higher. May be empty when the claim says that nothing waits.
  std::span<const SharedInvalidation> applied;
  /// What an intent that is left may still be good for, from now on: the largest TTL in use.
  std::chrono::milliseconds lifetime{};
};

/// What became of a delivery that was claimed.
struct Settled {
  std::uint64_t id = 0;
  enum class As : std::uint8_t {
    applied,    ///< Its row goes.
    pending,    ///< It failed: due again after `pause`.
    unclaimed,  ///< It was not tried: the attempt is given back.
    dead,
    expired,
  } as = As::applied;
  std::chrono::milliseconds pause{};
  std::string error;
};

/// A delivery as its row says. Times are the database's.
struct DeliveryRow {
  DeliveryState state = DeliveryState::pending;
  DeliveryRecord record;
  std::string consumer;
  WallTime created_at;
  WallTime changed_at;  ///< When it came into its state.
};

/// Which deliveries an operator wants to see; each field narrows it down.
struct DeliveryFilter {
  std::string consumer;               ///< Empty: of all consumers.
  std::vector<DeliveryState> states;  ///< None: in any.
  std::string error;                  ///< What the last error contains; empty: any.
  std::uint64_t after = 0;            ///< Recorded later than this one: the next page.
  std::size_t limit = 1000;
};

/// The states that the filter lets through.
[[nodiscard]] std::vector<DeliveryState> states_of(const DeliveryFilter& filter);

/// A delivery that an operator decides on, and in which state it was seen.
struct SeenDelivery {
  std::uint64_t id = 0;
  DeliveryState state = DeliveryState::pending;
};

/// Whether what died leaves a flush behind that the target is owed (and waits wait for).
enum class OnDeath : std::uint8_t { flush, nothing };

/// The deliveries of one namespace's consumers. Each change is one transaction, guarded by the
/// claim's token: who has been fenced changes nothing and is told so. Implementations are
/// thread-safe, may block on I/O, and throw Error.
class Deliveries {
 public:
  /// What was claimed. Nothing: fenced.
  using Taken = std::optional<std::vector<Delivery<delivery::Claimed>>>;

  virtual ~Deliveries() = default;

  /// Moves the cursor and records what is left, in one transaction; the segment's attempts begin
  /// anew. Where nothing is left and nothing waits, `LogClaims::advance` does. False: fenced.
  [[nodiscard]] virtual bool record(const Claim& claim, const Progress& progress,
                                    OnDeath on_death) = 0;
  /// Records this row as claimed, with its attempt counted, before it is applied. Empty: it waits
  /// for a later time, or has been decided on.
  [[nodiscard]] virtual Taken take_row(const Claim& claim, const SharedInvalidation& row,
                                       std::chrono::milliseconds lifetime) = 0;
  /// Claims up to `limit` deliveries that are due, the longest due first.
  [[nodiscard]] virtual Taken take_due(const Claim& claim, std::size_t limit) = 0;
  /// Records what became of claimed ones. False: fenced.
  [[nodiscard]] virtual bool settle(const Claim& claim, std::span<const Settled> outcomes,
                                    OnDeath on_death) = 0;
  /// The flush that the claim said was owed has been applied, at `position`: deliveries up to there
  /// are superseded. What has died since stays owed. False: fenced.
  [[nodiscard]] virtual bool pay_flush(const Claim& claim, Position position) = 0;
  /// The target is down: the claim's attempt at the segment does not count. False: fenced.
  [[nodiscard]] virtual bool forgive(const Claim& claim, const std::string& reason) = 0;

  /// The first recorded first.
  [[nodiscard]] virtual std::vector<DeliveryRow> list(const DeliveryFilter& filter) = 0;
  /// The one with that id, whatever its state.
  [[nodiscard]] std::optional<DeliveryRow> find(std::uint64_t id);
  /// An operator's decision, in one transaction; no claim is needed. Returns the ids of those that
  /// it moved. The others are no longer in the state in which they were seen, or the decision may
  /// not be made there; what is retried must also be of the current epoch, and legible. A retry rings
  /// the doorbell: its worker need not wait for its next look.
  [[nodiscard]] virtual std::vector<std::uint64_t> decide(std::span<const SeenDelivery> seen,
                                                          Decision decision) = 0;
};

}  // namespace querymark
