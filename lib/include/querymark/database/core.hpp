#pragma once  // For writers of ports.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "querymark/database/session_settings.hpp"
#include "querymark/feed/feed_log.hpp"
#include "querymark/follow/subscriber.hpp"
#include "querymark/log/coverage.hpp"
#include "querymark/log/doorbell.hpp"
#include "querymark/log/log_reader.hpp"
#include "querymark/log/subscribers.hpp"
#include "querymark/read/source.hpp"
#include "querymark/wait/target_waits.hpp"
#include "querymark/write/own_writes.hpp"
#include "querymark/write/read_transaction.hpp"

namespace querymark {

struct CoreOptions {
  SourceOptions source;
  SubscriberOptions subscriber;
  bool require_intents = false;
  /// Through which the log is followed; null: it is read in the database.
  std::shared_ptr<Feed> feed{};
  /// Of a feed; see FeedLogOptions.
  std::function<void()> on_history_change{};

  /// What the options of every database have in common. Throws ConfigError.
  template <class Options>
  [[nodiscard]] static CoreOptions of(const Options& options, const Cache& cache, Scope scope) {
    CoreOptions core;
    core.source = {.default_ttl = options.default_ttl,
                   .lagging = options.lagging,
                   .mark_cells = options.mark_cells,
                   .require_tags = options.require_tags,
                   .load_budget = options.load_budget,
                   .tagging = options.tags,
                   .audit = options.audit};
    core.source.scope = std::move(scope);
    core.subscriber = {.max_lag = options.max_lag,
                       .poll_interval = options.poll_interval,
                       .log_reads_per_second = options.log_reads_per_second,
                       .clock = &cache.clock()};
    core.require_intents = options.require_intents;
    if constexpr (requires { options.feed; }) core.feed = options.feed;
    return core;
  }
};

/// What every database has besides its connections: the source that judges what is cached, the
/// subscriber that feeds its marks from the log, and the process's own writes. For those who write
/// a Backend.
///
/// Made after the log and the doorbell, since it asks both until it dies; destroyed before them.
/// `start` comes when everything stands that the log may call.
class DatabaseCore {
 public:
  /// The cache, the log and the doorbell must outlive it. Throws what Source and Subscriber throw.
  /// `subscribers` is where this process says that it follows the log: without it, nobody can wait for
  /// it, and it can't wait for everybody. With a feed, the worker that hands the log on says so instead.
  DatabaseCore(Cache& cache, LogReader& log, Coverage& coverage, Subscribers* subscribers,
               Doorbell& doorbell, const CoreOptions& options);
  DatabaseCore(const DatabaseCore&) = delete;
  DatabaseCore& operator=(const DatabaseCore&) = delete;

  /// Takes the first snapshot of the log and starts the thread that follows it. Blocks for a read
  /// of the log; throws what that throws.
  void start() { subscriber.start(); }
  [[nodiscard]] const std::string& namespace_name() const noexcept {
    return source.options().scope.namespace_name;
  }
  /// The session's part of keys under these checked settings; without any: empty, the source's counts.
  [[nodiscard]] std::string session_of(const SessionSettings& settings) const;
  /// What a transaction under these settings tells of itself; `newest`: see TransactionOrigin.
  [[nodiscard]] TransactionOrigin origin(const SessionSettings& settings, bool newest) const {
    return {.source = &source, .session = session_of(settings), .newest = newest};
  }

  const bool require_intents;
  /// Random: names these marks, as whoever may have been served from others' sees it.
  const std::uint64_t process_id;
  // The subscriber moves the source's marks, and own writes move both.
  Source source;
  // Of a follower; else null.
  const std::unique_ptr<FeedLog> feed_log;
  const std::unique_ptr<Doorbell> feed_bell;
  Subscriber subscriber;
  OwnWrites own;
  TargetWaits target_waits;
};

}  // namespace querymark
