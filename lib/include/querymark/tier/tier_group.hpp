#pragma once  // For users.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "querymark/observe/metric.hpp"
#include "querymark/support/time_span.hpp"
#include "querymark/tier/shared_tier.hpp"

namespace querymark {
namespace detail {
struct TierGroupState;
}  // namespace detail

/// How a group looks for a value. Good enough is what the reader would take, by its own marks and
/// its own time to live: a stale copy ends no search.
enum class TierReads : std::uint8_t {
  /// One member after the other, until one has what is good enough.
  sequential,
  /// The same, but whoever has not answered after `hedge_delay` is no longer waited for alone: the
  /// next one is asked, too, and the first good answer counts.
  hedged,
  /// All at the same time. The good value with the latest stamp counts; among equals the one that
  /// expires last.
  parallel,
};

/// How a group stores a value, each member by its own rules.
enum class TierWrites : std::uint8_t {
  sequential,  ///< One after the other.
  parallel,    ///< All at the same time; returns when all have answered.
  race,        ///< All at the same time; returns when one has stored it. The others go on.
};

struct TierGroupOptions {
  TierReads reads = TierReads::sequential;
  TierWrites writes = TierWrites::parallel;
  /// For `TierReads::hedged`. Zero: all are asked at once.
  PatienceSpan hedge_delay{std::chrono::milliseconds(10)};
  /// Whether members before the one that had the value, which answered that they have none so good,
  /// get a copy.
  bool refill = true;
  /// Such a copy expires no later than this long after it was made. Zero: when the value does.
  PatienceSpan refill_ttl{};
  /// Most threads of the group's own, for what is done at the same time. Where all of them are busy,
  /// the caller's thread does it, one after the other.
  std::size_t threads = 8;
};

/// What became of what one member of a group, or of a group in it, was asked for.
struct TierGroupStats {
  std::string path{};       ///< `shop.redis`, `outer.inner.file`.
  std::uint64_t reads = 0;  ///< Names it was asked for.
  std::uint64_t hits = 0;   ///< Values it had.
  /// Of those, what the reader would not take: stale, or older than it wants.
  std::uint64_t refused = 0;
  std::uint64_t served = 0;  ///< Of those, what counted.
  std::uint64_t late = 0;    ///< Reads that were answered when another member's answer had counted.
  std::uint64_t stored = 0;  ///< Values it kept.
  std::uint64_t failures = 0;  ///< Reads, puts and removals that failed.
  std::uint64_t skipped = 0;   ///< Reads that it did not even try, after a failure a moment ago.
  std::string last_failure{};
};

template <>
struct MetricsOf<TierGroupStats> {
  static constexpr std::string_view kGroup = "tier";
  template <class Visit>
  static void visit(const TierGroupStats& stats, Visit&& visit) {
    using enum MetricKind;
    visit({"path", "", label}, stats.path);
    visit({"reads", "Names that were asked for."}, stats.reads);
    visit({"hits", "Values that were there."}, stats.hits);
    visit({"refused", "Of these, what the reader would not take."}, stats.refused);
    visit({"served", "Of these, what counted."}, stats.served);
    visit({"late", "Reads that were answered when another's answer had counted."}, stats.late);
    visit({"stored", "Values that were kept."}, stats.stored);
    visit({"failures", "Calls that failed."}, stats.failures);
    visit({"skipped", "Calls that were not even tried, after a failure a moment ago."},
          stats.skipped);
    visit({"last_failure", "What the last failed call said.", text}, stats.last_failure);
  }
};

/// Several shared tiers that are used as one: a file of this host before a Redis of all hosts, two
/// servers of which the faster answers. Groups nest. Memory is in front of all of them, and none of
/// a group's concern.
///
/// A member that is down costs what it would cost alone, and is counted: a read fails only when each
/// member that was asked did, a put when no member took the value. A removal is certain only when
/// each member has confirmed it; it throws otherwise, after all have been asked.
///
/// Trust stays with the reader: the group asks it (`TierJudge`) which of its members' values are
/// good enough, and names the members that lack what was found; only once the reader has taken it,
/// it offers them a copy, with stamp and time of storing unchanged. So neither a loser of a race nor
/// a slow one ever fills anything, and what a member is offered too late does not replace a later
/// stamp.
///
/// Thread-safe. Movable; a moved-from group may only be destroyed. Its destructor waits for what
/// still goes on, which ends by the members' own deadlines.
class TierGroup final : public SharedTier {
  template <class Tier>
  static constexpr bool kIsTier = std::is_base_of_v<SharedTier, Tier> ||
                                  std::is_convertible_v<Tier, std::shared_ptr<SharedTier>>;

 public:
  /// `label` names the group where paths do: letters, digits, `_` and `-`. Members of equal labels
  /// are numbered: `redis`, `redis2`. Throws ConfigError for another label, no member, a null, or
  /// one given twice.
  TierGroup(std::string label, TierGroupOptions options,
            std::vector<std::shared_ptr<SharedTier>> members);
  /// Of tiers, or of shared pointers to tiers that others use as well:
  ///
  ///     qm::TierGroup{"shop", {.reads = qm::TierReads::hedged}, qm::FileTier{path}, redis}
  template <class... Tiers>
    requires(sizeof...(Tiers) > 0 && (kIsTier<Tiers> && ...))
  TierGroup(std::string label, TierGroupOptions options, Tiers... members)
      : TierGroup(std::move(label), options,
                  std::vector<std::shared_ptr<SharedTier>>{shared(std::move(members))...}) {}
  TierGroup(TierGroup&&) noexcept;
  TierGroup& operator=(TierGroup&&) noexcept;
  ~TierGroup() override;

  [[nodiscard]] std::string_view label() const noexcept override;
  /// The largest value that any member takes, and all members' deadlines together: each may have to
  /// be waited for.
  [[nodiscard]] TierLimits limits() const noexcept override;
  /// Blocks as the members do. Its failure's cause names each member's: `shop.file: ...; shop.redis:
  /// ...`.
  [[nodiscard]] std::optional<TierFailure> read(std::string_view namespace_name,
                                                std::span<TierRead> wanted) noexcept override;
  /// `stored` when a member has stored it; else what kept it from the others.
  StoreStatus put(std::string_view namespace_name, const Digest& name,
                  const SharedValue& value) noexcept override;
  void put_many(std::string_view namespace_name, std::span<TierPut> values) noexcept override;
  /// Returns how many copies were removed, from all members together. Waits for what this group
  /// still stores in the background.
  std::size_t remove(std::string_view namespace_name, std::span<const Digest> names) override;
  /// By the first member that grants some: all processes ask the same.
  [[nodiscard]] bool grants_leases() const noexcept override;
  [[nodiscard]] LeaseAnswer lease(std::string_view namespace_name, const Digest& name,
                                  std::string_view token,
                                  std::chrono::milliseconds longest) noexcept override;
  void release(std::string_view namespace_name, const Digest& name,
               std::string_view token) noexcept override;
  /// Whether all members do.
  [[nodiscard]] bool names_newest() const noexcept override;
  /// The newest of all members'.
  [[nodiscard]] std::optional<SharedStamp> newest(Epoch epoch) const override;

  /// One for each member that is no group, in order.
  [[nodiscard]] std::vector<TierGroupStats> stats() const;

 private:
  friend struct detail::TierGroupState;

  [[nodiscard]] SharedTier* granting() const noexcept;

  template <class Tier>
  [[nodiscard]] static std::shared_ptr<SharedTier> shared(Tier tier) {
    if constexpr (std::is_base_of_v<SharedTier, Tier>)
      return std::make_shared<Tier>(std::move(tier));
    else
      return tier;
  }

  std::unique_ptr<detail::TierGroupState> state_;
};

}  // namespace querymark
