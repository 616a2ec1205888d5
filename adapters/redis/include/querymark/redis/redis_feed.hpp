#pragma once  // For users.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "querymark/feed/feed.hpp"
#include "querymark/support/time_span.hpp"

namespace querymark {

struct RedisFeedOptions {
  /// Begins each key: `{qm:feed:NAMESPACE:DATABASE}:stream` and others, all in one slot. Letters,
  /// digits, `_`, `-`, `.` and `:`; the same in workers and followers.
  std::string prefix = "qm";
  /// Most connections to a server, beside one for each log that is followed.
  std::size_t connections = 4;
  /// Deadline of one call.
  PatienceSpan timeout{std::chrono::milliseconds(1000)};
  /// Entries that the stream keeps, about: who is further behind takes everything for stale.
  std::size_t entries = 1024;
  /// Told of each key that somebody else's value was put aside from; by any thread, and may not throw.
  std::function<void(const std::string& key)> on_put_aside{};
  /// See RedisTierOptions.
  std::string ca_file{};
  std::string certificate_file{};
  std::string key_file{};
};

/// Hands logs on through a Redis server (5.0 or newer), or a cluster, in which each log is at home on
/// one server: a worker with `--target redis://…` writes what
/// processes read that have it in their database's options. So the database is asked by the worker
/// alone, however many follow.
///
/// The server is not trusted to keep anything: what was evicted, lost in a failover or comes back from
/// an older dump is found out, and costs misses. Whoever can write to it can make followers serve
/// stale values: it needs the same protection as the database.
///
/// Thread-safe. What it makes may outlive it.
class RedisFeed final : public Feed {
 public:
  /// `url` as for RedisTier. Throws ConfigError. Does no network I/O.
  explicit RedisFeed(const std::string& url, RedisFeedOptions options = {});
  ~RedisFeed() override;

  [[nodiscard]] std::unique_ptr<FeedReader> reader(const FeedName& name) override;
  [[nodiscard]] std::unique_ptr<FeedWriter> writer(const FeedName& name) override;
  [[nodiscard]] std::unique_ptr<Doorbell> doorbell(const FeedName& name) override;
  [[nodiscard]] std::unique_ptr<Doorbell> ask_bell(const FeedName& name) override;

  /// Where it is, without user and password: `redis://host:6379/0`.
  [[nodiscard]] const std::string& url() const noexcept;
  /// Values of another type that were in the way of the feed's own: each was put aside, under its key
  /// and `:aside` for a week. Followers that have missed what was lost by it take everything for stale.
  [[nodiscard]] std::uint64_t put_aside() const noexcept;

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace querymark
