#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "helpers.hpp"
#include "querymark/support/mutex.hpp"
#include "querymark/tier/tier_group.hpp"

namespace querymark::detail {

/// What has become of a removal, of all members together. Thread-safe.
class Removal {
 public:
  void note(std::size_t copies);
  void note(const std::string& path, const std::exception& thrown);
  /// How many copies were removed. Throws Error with every member's cause unless all have been.
  [[nodiscard]] std::size_t checked() const;

 private:
  mutable Mutex mutex_;
  std::size_t copies_ QUERYMARK_GUARDED_BY(mutex_) = 0;
  std::string causes_ QUERYMARK_GUARDED_BY(mutex_);
  bool retryable_ QUERYMARK_GUARDED_BY(mutex_) = true;
  bool connection_lost_ QUERYMARK_GUARDED_BY(mutex_) = false;
};

/// A member of a group, and what is counted of it. Thread-safe.
struct GroupMember {
  GroupMember(std::shared_ptr<SharedTier> member, TierGroupState* group, std::string name)
      : tier(std::move(member)), inner(group), label(std::move(name)) {}

  // What the tier does. `group` is the path of the group that it is a member of: failures are
  // counted, and told with the member's path.
  [[nodiscard]] std::optional<TierFailure> read(const std::string& group,
                                                std::string_view namespace_name,
                                                std::span<TierRead> wanted) noexcept;
  void put_many(std::string_view namespace_name, std::span<TierPut> values) noexcept;
  StoreStatus put(std::string_view namespace_name, const Digest& name,
                  const SharedValue& value) noexcept;
  void remove(const std::string& group, std::string_view namespace_name,
              std::span<const Digest> names, Removal& removal);
  void note_failure(std::string_view cause) noexcept;

  const std::shared_ptr<SharedTier> tier;
  TierGroupState* const inner;  // the tier's own, if it is a group
  const std::string label;
  std::atomic<std::uint64_t> reads{0}, hits{0}, refused{0}, served{0}, late{0}, stored{0},
      failures{0}, skipped{0};
  mutable Mutex failure_mutex;
  std::string last_failure QUERYMARK_GUARDED_BY(failure_mutex);
};

/// Puts that go on after their caller has been answered. Thread-safe.
class LateWrites {
 public:
  using Ticket = std::uint64_t;
  [[nodiscard]] Ticket begin();
  void end(Ticket ticket) noexcept;
  /// Returns when all that began before have ended.
  void await();

 private:
  Mutex mutex_;
  std::condition_variable ended_;
  std::set<Ticket> under_way_ QUERYMARK_GUARDED_BY(mutex_);
  Ticket last_ QUERYMARK_GUARDED_BY(mutex_) = 0;
};

/// A group under whatever path it stands in the groups around it.
struct TierGroupState {
  TierGroupState(std::string name, TierGroupOptions opts,
                 std::vector<std::shared_ptr<SharedTier>> tiers);

  [[nodiscard]] std::optional<TierFailure> read(const std::string& path,
                                                std::string_view namespace_name,
                                                std::span<TierRead> wanted) noexcept;
  StoreStatus put(std::string_view namespace_name, const Digest& name, const SharedValue& value);
  void put_many(std::string_view namespace_name, std::span<TierPut> values);
  void race(std::string_view namespace_name, std::span<TierPut> values);
  void remove(const std::string& path, std::string_view namespace_name,
              std::span<const Digest> names, Removal& removal);
  // How long a copy lives that a member is given of what another one had.
  [[nodiscard]] std::chrono::milliseconds refill_longest() const;
  void add_stats(const std::string& path, std::vector<TierGroupStats>& stats) const;

  const std::string label;
  const TierGroupOptions options;
  std::deque<GroupMember> members;
  bool names_newest = true;
  LateWrites late_writes;
  Helpers helpers;  // use what stands above
};

}  // namespace querymark::detail
