#pragma once  // For writers of ports: what a shared tier offers to the worker.

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "querymark/log/log_reader.hpp"
#include "querymark/log/shared_invalidation.hpp"
#include "querymark/observe/metric.hpp"

namespace querymark {

/// What a relay has handed on since its start. A plain value.
struct RelayStats {
  std::uint64_t segments = 0;   ///< Of the log.
  std::uint64_t beats = 0;      ///< Rounds in which who asked was told that there is nothing new.
  std::uint64_t followers = 0;  ///< Gauge: processes that ask, as far as they are known.
};

template <>
struct MetricsOf<RelayStats> {
  static constexpr std::string_view kGroup = "feed";
  template <class Visit>
  static void visit(const RelayStats& stats, Visit&& visit) {
    visit({"segments", "Segments of the log that were handed on."}, stats.segments);
    visit({"beats", "Rounds in which who asked was told that there is nothing new."}, stats.beats);
    visit({"followers", "Processes that ask, as far as they are known.", MetricKind::gauge},
          stats.followers);
  }
};

/// Hands a log on, as a whole, to those who do not read it. For the worker's thread alone, but for
/// `stats`. Blocks on I/O; whatever throws has handed on nothing, and the worker takes the target for
/// down.
class Relay {
 public:
  virtual ~Relay() = default;
  /// Takes in who asks. The log is looked at afterwards, so that what is handed on next answers them.
  virtual void listen() = 0;
  /// Hands on all rows between the two cursors; none given: they are too many, or unknown. `from` is
  /// where an earlier call's `upto` was, or behind it.
  virtual void hand_on(const Snapshot& from, const Cursor& upto,
                       std::optional<std::span<const LogRow>> rows) = 0;
  /// There is nothing between them, and the consumer stays at `from`.
  virtual void nothing_new(const Snapshot& from, const Cursor& upto) = 0;
  /// From now on `wake` is called, from another thread, when somebody asks who waits for the answer.
  /// Before the worker's first round.
  virtual void on_ask(const std::function<void()>& wake) { static_cast<void>(wake); }
  /// From any thread; does not block.
  [[nodiscard]] virtual RelayStats stats() const { return {}; }
};

/// A shared tier as the worker sees it.
class Applier {
 public:
  virtual ~Applier() = default;
  /// Stable identity of the target: the name of its consumer in the log.
  [[nodiscard]] virtual std::string name() const = 0;
  /// Removes what the invalidations hit, all of them or (by throwing) possibly only some; applying
  /// again must be harmless. Values stamped above an invalidation's position may stay. Blocks on
  /// I/O.
  virtual void apply(Epoch epoch, std::span<const SharedInvalidation> invalidations) = 0;
  /// Asks the target for what hits nothing, by the same commands as `apply`: throws when it takes
  /// nothing at the moment, so that a failure of `apply` is known for an outage, or else for the
  /// invalidation's own. Where nothing is written for what hits nothing, it is to write all the same: on
  /// a disk that is full nothing else fails. Blocks on I/O.
  virtual void control(Epoch epoch) {
    const SharedInvalidation nothing{key_named("querymark control"), {}, {}};
    apply(epoch, {&nothing, 1});
  }
  /// What is to be handed on by, before `apply` is called for the same; null: nothing.
  [[nodiscard]] virtual Relay* relay() noexcept { return nullptr; }
};

}  // namespace querymark
