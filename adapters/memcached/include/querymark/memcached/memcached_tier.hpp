#pragma once  // For users.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "querymark/support/clock.hpp"
#include "querymark/support/time_span.hpp"
#include "querymark/tier/shared_tier.hpp"
#include "querymark/tier/tier_metrics.hpp"
#include "querymark/tier/value_codec.hpp"

namespace querymark {

struct MemcachedTierOptions {
  /// Begins each key: `qm:3:SHA-256`. Up to 100 letters, digits, `_`, `-`, `.` and `:`.
  std::string prefix = "qm";
  /// Most connections to each server. Who finds all of them in use waits a few milliseconds for one,
  /// and then does without.
  std::size_t connections = 16;
  /// Deadline of one call, from looking up the host's name to the last byte of the last answer,
  /// however many servers and round trips it takes.
  PatienceSpan timeout{std::chrono::milliseconds(250)};
  /// Largest single value, as it is stored and unpacked. The default fits into what servers take by
  /// default for an item (`-I`, 1 MiB, with its key and what they add). Larger ones are not stored:
  /// split, a value would be lost with each of its parts, and take as many items from others.
  std::size_t max_value_bytes = 1'000'000;
  /// How values are written: compressed, sealed; the same in all processes.
  std::shared_ptr<const ValueCodec> codec = plain_values();
  const Clock* clock = &system_clock();
};

struct MemcachedTierStats {
  std::uint64_t reads = 0, hits = 0;  ///< Names looked for, and found.
  /// What was there was no value of ours under this name: counted misses.
  std::uint64_t corrupt = 0;
  std::uint64_t failures = 0;  ///< Calls of a server that failed: misses and losses.
  /// Calls that did not even try: the server was slow or failing a moment ago, or all connections to
  /// it were in use. Misses and losses, too.
  std::uint64_t skipped = 0;
  std::uint64_t stored = 0, superseded = 0, oversize = 0;
  std::uint64_t connects = 0;  ///< Connections opened.
  std::string last_failure{};  ///< What the last failed call said.
};

template <>
struct MetricsOf<MemcachedTierStats> {
  static constexpr std::string_view kGroup = "memcached";
  template <class Visit>
  static void visit(const MemcachedTierStats& stats, Visit&& visit) {
    using enum MetricKind;
    detail::visit_server_tier(stats, visit);
    visit({"last_failure", "What the last failed call said.", text}, stats.last_failure);
  }
};

/// A shared tier for the processes of many hosts: memcached servers (1.4 or newer), over which the
/// values are spread by consistent hashing.
///
/// Each value is on one server. A server that is lost, added or back costs misses for its share of
/// the names, and nobody else takes that over meanwhile: whatever it brings back has its old stamp,
/// and readers judge that by their own marks. It can't tell its newest stamp, so of each value whose
/// stamp nobody has checked yet the database is asked for the witness.
///
/// Down is no reason to wait, nor to stop: the constructor asks nobody, each call ends by its
/// deadline, and after a failure all calls pass that server by for 50 ms, doubling up to 5 s while one
/// after the other tries again. Reads and writes have a breaker each, which a lost connection opens
/// both.
///
/// A read is one round trip, at once to all servers that have some of its names, and keeps no more
/// than `max_value_bytes` of one. A put takes two, `gets` and `cas` or `add`, so that an earlier stamp
/// never replaces a later one. Times to live are whole seconds there, rounded down: what would live for
/// less than one is not stored (a zero would be for ever), and nothing lives for longer than 30 days.
///
/// memcached asks nobody who he is, and encrypts nothing: let it listen where only your hosts come,
/// and seal the values (`ValueCodecOptions::keys`) where others do.
///
/// Thread-safe. Movable; a moved-from tier may only be destroyed. Must not be used after fork.
class MemcachedTier final : public SharedTier {
 public:
  /// `servers`, separated by commas, are `HOST[:PORT]`, `[IPv6][:PORT]` or `unix:PATH`; `memcached://`
  /// may stand before them. All processes give the same ones, spelt alike, in any order. Throws
  /// ConfigError for any other text and for options that can't be meant. Does no network I/O.
  explicit MemcachedTier(const std::string& servers, MemcachedTierOptions options = {});
  MemcachedTier(MemcachedTier&&) noexcept;
  MemcachedTier& operator=(MemcachedTier&&) noexcept;
  ~MemcachedTier() override;

  /// Does once what reads, puts and removals do, on each server, for programs that want to know at
  /// their start: throws Error when one can't be reached, or refuses a command. Blocks for a few
  /// deadlines a server at most.
  void check();

  [[nodiscard]] std::string_view label() const noexcept override;
  [[nodiscard]] TierLimits limits() const noexcept override;
  /// A failure of some servers is one; what the others hold is set.
  [[nodiscard]] std::optional<TierFailure> read(std::string_view namespace_name,
                                                std::span<TierRead> wanted) noexcept override;
  StoreStatus put(std::string_view namespace_name, const Digest& name,
                  const SharedValue& value) noexcept override;
  /// All servers at once, by two round trips for a hundred values: what is there, and what is stored.
  void put_many(std::string_view namespace_name, std::span<TierPut> values) noexcept override;
  std::size_t remove(std::string_view namespace_name, std::span<const Digest> names) override;
  /// Yes: by `add`, from the server that has the name. Its time is rounded up to whole seconds.
  [[nodiscard]] bool grants_leases() const noexcept override;
  [[nodiscard]] LeaseAnswer lease(std::string_view namespace_name, const Digest& name,
                                  std::string_view token,
                                  std::chrono::milliseconds longest) noexcept override;
  void release(std::string_view namespace_name, const Digest& name,
               std::string_view token) noexcept override;

  /// Where they are, in the order of their names: `a:11211`.
  [[nodiscard]] std::vector<std::string> servers() const;
  [[nodiscard]] MemcachedTierStats stats() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace querymark
