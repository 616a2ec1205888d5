#pragma once  // For writers of ports: each database that follows a feed owns one.

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>

#include "querymark/feed/feed.hpp"
#include "querymark/feed/feed_follower.hpp"
#include "querymark/log/log_reader.hpp"
#include "querymark/support/clock.hpp"
#include "querymark/support/mutex.hpp"

namespace querymark {

struct FeedLogOptions {
  /// For how long the process trusts what it holds after a question that was answered.
  std::chrono::nanoseconds max_lag = std::chrono::seconds(5);
  /// Longest wait for a worker's answer.
  std::chrono::nanoseconds answer_timeout = std::chrono::seconds(5);
  /// While nobody waits, a question is asked this far apart at least.
  std::chrono::nanoseconds asks_apart = std::chrono::milliseconds(200);
  /// Called before another history is reported: no later load may run on a connection to the old one.
  std::function<void()> on_history_change{};
  const Clock* clock = &system_clock();
};

/// A log that is read through a feed, for a process that does not read the database's: whatever a
/// subscriber asks of a log, asked of the workers.
///
/// A read that must be current leaves a question, and takes what the workers hand on until one of them
/// answers it: blocks for that, and throws Error when nobody answers in time. Other reads take what is
/// there, and tell as of when that is the whole log.
///
/// Thread-safe. Reads take turns.
class FeedLog final : public LogReader {
 public:
  FeedLog(FeedName name, std::unique_ptr<FeedReader> reader, FeedLogOptions options = {});
  ~FeedLog() override;

  [[nodiscard]] Cursor now() override;
  [[nodiscard]] TailPage read(const TailRequest& request) override;
  /// Where the buckets begin that reach up to where this follower did; of no epoch: nothing reaches
  /// there, or can be read. What is read from there, up to a given end, is of each target the last.
  [[nodiscard]] Cursor retained() override;
  /// Throws Error: a feed does not know writes, only what they have made stale.
  [[nodiscard]] bool holds(const Receipt& receipt) override;
  [[nodiscard]] bool relayed() const noexcept override { return true; }

  /// Stretches that were lost on the way: everything was taken for stale.
  [[nodiscard]] std::uint64_t gaps() const noexcept { return gaps_.load(); }
  /// What was found in the feed and is no certificate of this log.
  [[nodiscard]] std::uint64_t foreign() const noexcept { return foreign_.load(); }

 private:
  [[nodiscard]] FeedTaken follow(const std::optional<Cursor>& from, bool current)
      QUERYMARK_REQUIRES(mutex_);
  void add_page(FeedTaken& sum, std::optional<FeedAsk> ask, bool urgent) QUERYMARK_REQUIRES(mutex_);
  [[nodiscard]] TailPage history(const TailRequest& request) QUERYMARK_REQUIRES(mutex_);
  [[nodiscard]] FeedAsk new_ask(const std::optional<Cursor>& cursor, MonotonicTime now)
      QUERYMARK_REQUIRES(mutex_);

  const SubscriberId id_ = SubscriberId::random();
  const std::unique_ptr<FeedReader> reader_;
  const FeedLogOptions options_;
  Mutex mutex_;
  FeedFollower follower_ QUERYMARK_GUARDED_BY(mutex_);
  // What `retained` has found, to be read.
  std::optional<FeedHistory> history_ QUERYMARK_GUARDED_BY(mutex_);
  std::optional<MonotonicTime> asked_ QUERYMARK_GUARDED_BY(mutex_);  // the last time
  std::atomic<std::uint64_t> gaps_{0};
  std::atomic<std::uint64_t> foreign_{0};
};

}  // namespace querymark
