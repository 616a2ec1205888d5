#pragma once  // For users.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "querymark/support/clock.hpp"
#include "querymark/support/time_span.hpp"
#include "querymark/tier/shared_tier.hpp"
#include "querymark/tier/tier_metrics.hpp"
#include "querymark/tier/value_codec.hpp"

namespace querymark {

struct RedisTierOptions {
  /// Begins each key: `qm:3:NAMESPACE:SHA-256`. Letters, digits, `_`, `-`, `.` and `:`.
  std::string prefix = "qm";
  /// Most connections of this tier, to each server of a cluster. Who finds all of them in use waits a few
  /// milliseconds for one, and then does without.
  std::size_t connections = 16;
  /// Deadline of one call, from looking up the host's name to the last byte of the answer.
  PatienceSpan timeout{std::chrono::milliseconds(250)};
  /// Largest single value, as it is stored and unpacked. Redis works for one client at a time: large
  /// ones hold up everybody.
  std::size_t max_value_bytes = 4U << 20U;
  /// How values are written: compressed, sealed; the same in all processes.
  std::shared_ptr<const ValueCodec> codec = plain_values();
  /// For rediss://: a PEM file of those who may vouch for the server; empty: the system's.
  std::string ca_file{};
  /// The same: a PEM file of this client's certificate, and of its key; empty: none.
  std::string certificate_file{};
  std::string key_file{};
  const Clock* clock = &system_clock();
};

struct RedisTierStats {
  std::uint64_t reads = 0, hits = 0;  ///< Names looked for, and found.
  /// What was there was no value of ours under this name: counted misses.
  std::uint64_t corrupt = 0;
  std::uint64_t failures = 0;  ///< Calls of a server that failed: misses and losses.
  /// Calls that did not even try: the server was slow or failing a moment ago, or all connections
  /// were in use. Misses and losses, too.
  std::uint64_t skipped = 0;
  std::uint64_t stored = 0, superseded = 0, oversize = 0;
  std::uint64_t connects = 0;    ///< Connections opened.
  std::uint64_t redirected = 0;  ///< What was asked of one server of a cluster and another had.
  std::string last_failure{};    ///< What the last failed call said. Never a password.
};

template <>
struct MetricsOf<RedisTierStats> {
  static constexpr std::string_view kGroup = "redis";
  template <class Visit>
  static void visit(const RedisTierStats& stats, Visit&& visit) {
    using enum MetricKind;
    detail::visit_server_tier(stats, visit);
    visit({"redirected", "What was asked of one server of a cluster and another had."},
          stats.redirected);
    visit({"last_failure", "What the last failed call said.", text}, stats.last_failure);
  }
};

/// A shared tier for the processes of many hosts: a Redis server (4.0 or newer, or one that speaks as
/// it does, such as Valkey) or a Redis Cluster of such, that holds encoded result sets under their SHA-256
/// names, each until it expires.
///
/// The server need not be coherent, durable or even honest: readers judge what they find by their
/// own marks, so what it evicts, forgets in a restart, brings back from an older dump or from a
/// replica costs misses alone. It needs no persistence; give it `maxmemory` with
/// `maxmemory-policy allkeys-lru` (or -lfu).
///
/// Down is no reason to wait, nor to stop: the constructor asks nobody, each call ends by its
/// deadline, and after a failure all calls pass the server by for 50 ms, doubling up to 5 s while one
/// after the other tries again. Reads and writes have a breaker each, which a lost connection
/// opens both: a server that is full, or a replica, still answers reads.
///
/// Each read is one round trip, however many names it asks for, and never transfers more than
/// `max_value_bytes` of one. Only commands that take a short time are sent: GETRANGE, UNLINK, and a
/// script of a few steps on one key (EVALSHA, EVAL) that keeps an earlier stamp from replacing a
/// later one; AUTH and SELECT at most, and of a cluster CLUSTER NODES and ASKING.
///
/// Of a Redis Cluster any server will do to find the others. A read asks all servers that have one of
/// its names at once; a slot that moves costs those who meet it one round trip more. Each server has
/// breakers of its own, so one that is down costs the misses of its slots alone, until a replica has
/// taken its place, provided that the cluster is set to `cluster-require-full-coverage no`. Where
/// the certificates of rediss+cluster:// are for names, the servers must announce those
/// (`cluster-announce-hostname`).
///
/// Thread-safe. Movable; a moved-from tier may only be destroyed. Must not be used after fork.
class RedisTier final : public SharedTier {
 public:
  /// `url` is one of
  ///
  ///     redis://[[USER][:PASSWORD]@]HOST[:PORT][/DATABASE]
  ///     rediss://…                             the same over TLS; the certificate must fit HOST
  ///     unix:[//[USER][:PASSWORD]@]PATH[?db=DATABASE]
  ///     redis+cluster://[[USER][:PASSWORD]@]HOST[:PORT][,HOST[:PORT]]...
  ///     rediss+cluster://…
  ///
  /// with `%` escapes in each part. Throws ConfigError for any other text (it shows nothing of it),
  /// for options that can't be meant, and for TLS files that can't be read. Does no network I/O.
  explicit RedisTier(const std::string& url, RedisTierOptions options = {});
  RedisTier(RedisTier&&) noexcept;
  RedisTier& operator=(RedisTier&&) noexcept;
  ~RedisTier() override;

  /// Does once what reads, puts and removals do, for programs that want to know at their start:
  /// throws ConfigError when the server refuses user, password or database, and Error when it can't
  /// be reached, or refuses a command. Blocks for a few deadlines at most.
  void check();

  [[nodiscard]] std::string_view label() const noexcept override;
  [[nodiscard]] TierLimits limits() const noexcept override;
  [[nodiscard]] std::optional<TierFailure> read(std::string_view namespace_name,
                                                std::span<TierRead> wanted) noexcept override;
  StoreStatus put(std::string_view namespace_name, const Digest& name,
                  const SharedValue& value) noexcept override;
  /// By one round trip.
  void put_many(std::string_view namespace_name, std::span<TierPut> values) noexcept override;
  std::size_t remove(std::string_view namespace_name, std::span<const Digest> names) override;
  /// Yes: each is a key beside the value's, and lasts a day at most.
  [[nodiscard]] bool grants_leases() const noexcept override;
  [[nodiscard]] LeaseAnswer lease(std::string_view namespace_name, const Digest& name,
                                  std::string_view token,
                                  std::chrono::milliseconds longest) noexcept override;
  void release(std::string_view namespace_name, const Digest& name,
               std::string_view token) noexcept override;

  /// Where it is, without user and password: `redis://host:6379/0`, `redis+cluster://host:6379`.
  [[nodiscard]] const std::string& url() const noexcept;
  [[nodiscard]] RedisTierStats stats() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace querymark
