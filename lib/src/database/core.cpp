#include "querymark/database/core.hpp"

#include "querymark/support/random.hpp"

namespace querymark {
namespace {

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
      subscriber(options.source.scope.namespace_name, log, doorbell, source.marks(),
                 among(subscribers, options.subscriber)),
      own(source.marks(), subscriber),
      target_waits(options.source.scope.namespace_name, log, coverage, subscribers, {},
                   *options.subscriber.clock) {
  source.follow_by(subscriber);
}

}  // namespace querymark
