#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cluster_text.hpp"
#include "endpoint.hpp"
#include "node.hpp"
#include "querymark/support/clock.hpp"
#include "querymark/support/mutex.hpp"

namespace querymark::redis {

/// Which server has which slot. One that is no cluster has them all.
struct SlotMap {
  static constexpr std::uint16_t kNobody = 0xFFFF;

  std::vector<std::shared_ptr<Node>> nodes{};
  std::vector<std::uint16_t> owners{};  ///< For each slot, of `nodes`; empty: the first has all.

  /// Null: nobody that is known.
  [[nodiscard]] std::shared_ptr<Node> owner_of(std::uint16_t slot) const noexcept;
};

/// The servers of a tier, and what is known of who has which slot: learned from the first server that
/// answers, corrected by each redirection, and learned anew, by one caller, when a redirection or a
/// failure has cast doubt on it. Thread-safe.
class Topology {
 public:
  /// Asks nobody. What the options point to, and the clock, must outlive it.
  Topology(const Servers& servers, const NodeOptions& options, const Clock& clock);

  [[nodiscard]] bool cluster() const noexcept { return cluster_; }
  /// Learns it, where that must be. Blocks on I/O then. Throws Error when nothing is known and
  /// nobody tells; null when nobody could even be asked.
  [[nodiscard]] std::shared_ptr<const SlotMap> map(Access access, Deadline until);
  /// The server that another has named, which from now on has the slot, if that has moved.
  [[nodiscard]] std::shared_ptr<Node> redirected(const Redirect& to, const Node& said_by);
  /// What is known may be out of date.
  void doubt() noexcept { doubted_.store(true, std::memory_order_relaxed); }

 private:
  [[nodiscard]] std::shared_ptr<const SlotMap> known() const;
  void learn(const std::shared_ptr<const SlotMap>& before, Access access, Deadline until);
  void learn_from(Node& node, Deadline until);
  void keep(std::shared_ptr<const SlotMap> map);
  [[nodiscard]] Endpoint endpoint_at(const Place& place, const Node& said_by) const;
  [[nodiscard]] std::shared_ptr<Node> node_at(const Endpoint& endpoint, const SlotMap* map) const;

  const bool cluster_;
  const NodeOptions options_;
  const Clock& clock_;
  std::vector<std::shared_ptr<Node>> seeds_;
  std::atomic<bool> doubted_{false};
  std::atomic<bool> learning_{false};
  std::atomic<std::int64_t> learned_at_{0};  // when somebody last tried, by the clock
  std::atomic<unsigned> turn_{0};            // whom to ask first
  mutable Mutex mutex_;                      // innermost; nothing is sent under it
  std::shared_ptr<const SlotMap> map_ QUERYMARK_GUARDED_BY(mutex_);  // null at first
};

}  // namespace querymark::redis
