#pragma once  // For writers of ports.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "querymark/key/target.hpp"
#include "querymark/mark/position.hpp"
#include "querymark/support/clock.hpp"

namespace querymark {

/// Most bytes of why a target has not taken something, as the tables of both databases check them.
inline constexpr std::size_t kLongestError = 500;

/// An invalidation that did not reach a shared target at once, and what became of it. Most intents
/// never become one: a segment that is applied leaves nothing behind but the consumer's cursor.
struct DeliveryRecord {
  std::uint64_t id = 0;  ///< Its row; zero: not recorded yet.
  /// Nothing: the log's row was malformed. It is dead from the start, and stands beside the flush
  /// that was applied in its place.
  std::optional<Target> target;
  Epoch epoch;
  /// What a coalesced delivery stands for: equal targets from here ...
  Position first_position;
  /// ... to here. A wait for any of them waits for this one.
  Position position;
  /// Counted when claimed, so that an intent which kills the worker counts.
  unsigned attempts = 0;
  WallTime available_at;   ///< By the database's clock: not claimed earlier.
  WallTime deadline;       ///< By the database's clock: after it, nothing that it hits is alive.
  std::string last_error;  ///< Of the last attempt; at most kLongestError.
};

/// What a delivery's row says. `processing`, `applied` and `failed` are types only (below): they
/// last for the length of one attempt, and what they lead to is what is recorded.
enum class DeliveryState : std::uint8_t {
  pending,     ///< To be claimed once it is available.
  claimed,     ///< Its token's worker may apply it.
  dead,        ///< Attempts used up, or permanently refused: a flush stands in for it.
  expired,     ///< Past its deadline: likewise.
  cancelled,   ///< An operator's decision.
  superseded,  ///< An equal target or a flush, newer, was applied; or its epoch is over.
  discarded,   ///< A dead one that an operator has seen and needs no more. Waits remember it.
};
[[nodiscard]] std::string_view to_string(DeliveryState state) noexcept;
/// Nothing for any other text.
[[nodiscard]] std::optional<DeliveryState> delivery_state(std::string_view text) noexcept;

/// What an operator may make of a delivery.
enum class Decision : std::uint8_t {
  cancel,   ///< It is not tried any more, though its invalidation may still be missing.
  discard,  ///< A dead one has been seen to.
  retry,    ///< The cause is mended: it begins anew, its attempts and its time as well.
};
/// To which state a decision leads; nothing where it may not be made.
[[nodiscard]] std::optional<DeliveryState> decided(DeliveryState from, Decision decision) noexcept;
[[nodiscard]] std::string_view to_string(Decision decision) noexcept;

/// The states as types; see `Delivery`.
namespace delivery {
struct Pending {};
struct Claimed {};
struct Processing {};
struct Applied {};
struct Failed {};
struct Dead {};
struct Expired {};
struct Cancelled {};
struct Superseded {};
struct Discarded {};
}  // namespace delivery

/// A delivery in a state that the type names: what may not happen to it in that state does not
/// compile. Move-only; each step consumes it.
///
///   Pending    -> claim -> Claimed          the attempt counts
///   Claimed    -> begin -> Processing       the target is asked
///              -> unclaim -> Pending        it never ran: the attempt is given back
///   Processing -> succeed -> Applied
///              -> fail -> Failed
///   Failed     -> again -> Pending
///              -> die -> Dead              no attempts left, or refused for good
///              -> expire -> Expired        its deadline comes first
///   Pending, Claimed   -> supersede -> Superseded
///   Pending, Dead      -> cancel -> Cancelled     by an operator, as the next two
///   Dead               -> discard -> Discarded
///   Dead, Expired      -> retry -> Pending
///
/// A value: it knows the row, and moves nothing in the database. Whoever records a step does so
/// guarded by the tokens.
template <class State>
class [[nodiscard]] Delivery {
 public:
  explicit Delivery(DeliveryRecord record) : record_(std::move(record)) {}
  Delivery(Delivery&&) noexcept = default;
  Delivery& operator=(Delivery&&) noexcept = default;
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;

  [[nodiscard]] const DeliveryRecord& record() const noexcept { return record_; }

  Delivery<delivery::Claimed> claim() &&
    requires std::same_as<State, delivery::Pending>
  {
    ++record_.attempts;
    return to<delivery::Claimed>();
  }
  Delivery<delivery::Processing> begin() &&
    requires std::same_as<State, delivery::Claimed>
  {
    return to<delivery::Processing>();
  }
  Delivery<delivery::Pending> unclaim() &&
    requires std::same_as<State, delivery::Claimed>
  {
    if (record_.attempts > 0) --record_.attempts;
    return to<delivery::Pending>();
  }
  Delivery<delivery::Applied> succeed() &&
    requires std::same_as<State, delivery::Processing>
  {
    return to<delivery::Applied>();
  }
  Delivery<delivery::Failed> fail(std::string error) &&
    requires std::same_as<State, delivery::Processing>
  {
    record_.last_error = std::move(error);
    return to<delivery::Failed>();
  }
  /// It is tried again, not earlier than `available_at`.
  Delivery<delivery::Pending> again(WallTime available_at) &&
    requires std::same_as<State, delivery::Failed>
  {
    record_.available_at = available_at;
    return to<delivery::Pending>();
  }
  Delivery<delivery::Dead> die() &&
    requires std::same_as<State, delivery::Failed>
  {
    return to<delivery::Dead>();
  }
  Delivery<delivery::Expired> expire() &&
    requires std::same_as<State, delivery::Failed>
  {
    return to<delivery::Expired>();
  }
  Delivery<delivery::Superseded> supersede() &&
    requires std::same_as<State, delivery::Pending> || std::same_as<State, delivery::Claimed>
  {
    return to<delivery::Superseded>();
  }
  Delivery<delivery::Cancelled> cancel() &&
    requires std::same_as<State, delivery::Pending> || std::same_as<State, delivery::Dead>
  {
    return to<delivery::Cancelled>();
  }
  Delivery<delivery::Discarded> discard() &&
    requires std::same_as<State, delivery::Dead>
  {
    return to<delivery::Discarded>();
  }
  /// An operator has mended the cause: it begins anew.
  Delivery<delivery::Pending> retry(WallTime now) &&
    requires std::same_as<State, delivery::Dead> || std::same_as<State, delivery::Expired>
  {
    record_.attempts = 0;
    record_.available_at = now;
    return to<delivery::Pending>();
  }

 private:
  template <class To>
  Delivery<To> to() {
    return Delivery<To>(std::move(record_));
  }

  DeliveryRecord record_;
};

}  // namespace querymark
