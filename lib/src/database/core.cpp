#include "querymark/database/core.hpp"

#include "querymark/support/random.hpp"

namespace querymark {
namespace {

FeedName feed_name(const CoreOptions& options) {
  return {options.source.scope.database, options.source.scope.namespace_name};
}

std::unique_ptr<FeedLog> feed_log_of(const CoreOptions& options) {
  if (!options.feed) return nullptr;
  return std::make_unique<FeedLog>(feed_name(options), options.feed->reader(feed_name(options)),
                                   FeedLogOptions{.max_lag = options.subscriber.max_lag,
                                                  .on_history_change = options.on_history_change,
                                                  .clock = options.subscriber.clock});
}

SubscriberOptions among(Subscribers* subscribers, SubscriberOptions options) {
  options.subscribers = subscribers;
  return options;
}

}  // namespace

DatabaseCore::DatabaseCore(Cache& cache, LogReader& log, Coverage& coverage,
                           Subscribers* subscribers, Doorbell& doorbell, const CoreOptions& options)
    : require_intents(options.require_intents),
      process_id(random_u64() | 1),  // zero is nobody
      source(cache, options.source),
      feed_log(feed_log_of(options)),
      feed_bell(options.feed ? options.feed->doorbell(feed_name(options)) : nullptr),
      subscriber(options.source.scope.namespace_name, feed_log ? *feed_log : log,
                 feed_bell ? *feed_bell : doorbell, source.marks(),
                 among(feed_log ? nullptr : subscribers, options.subscriber)),
      own(source.marks(), subscriber),
      target_waits(options.source.scope.namespace_name, log, coverage, subscribers, {},
                   *options.subscriber.clock) {
  source.follow_by(subscriber);
}

std::string DatabaseCore::session_of(const SessionSettings& settings) const {
  if (settings.empty()) return {};
  // Digests have one length, so no session of the source's reads like this one.
  return source.options().scope.session + '+' + key_of(settings);
}

}  // namespace querymark
