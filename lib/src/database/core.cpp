#include "querymark/database/core.hpp"

namespace querymark {

DatabaseCore::DatabaseCore(Cache& cache, LogReader& log, Doorbell& doorbell,
                           const CoreOptions& options)
    : require_intents(options.require_intents),
      source(cache, options.source),
      subscriber(options.source.scope.namespace_name, log, doorbell, source.marks(),
                 options.subscriber),
      own(source.marks(), subscriber) {
  source.follow_by(subscriber);
}

}  // namespace querymark
