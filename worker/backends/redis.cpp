#include "querymark/redis/redis_feed.hpp"

#include <cstdlib>
#include <memory>
#include <utility>

#include "backends/backend.hpp"
#include "backends/scheme.hpp"
#include "querymark/feed/feed_relay.hpp"
#include "querymark/feed/sealed_feed.hpp"

namespace querymark::cli {
namespace {

// With the keys of the file that the environment names, if it names one.
std::shared_ptr<Feed> sealed(std::shared_ptr<Feed> feed) {
  const char* file =
      std::getenv("QUERYMARK_FEED_KEYS");  // NOLINT(concurrency-mt-unsafe): nobody sets it
  if (file == nullptr || *file == '\0') return feed;
  return std::make_shared<SealedFeed>(std::move(feed), SealingKeys::from_file(file));
}

class RedisBackend final : public Backend {
 public:
  [[nodiscard]] bool accepts(const std::string& url) const override { return names_redis(url); }
  [[nodiscard]] std::string_view target_form() const noexcept override {
    return "redis://HOST of a Redis server, or redis+cluster://HOST,HOST";
  }
  [[nodiscard]] std::string lacks() const override {
    return "a Redis server holds no log: it is a shared tier, for --target";
  }

  [[nodiscard]] std::unique_ptr<Applier> open_target(const std::string& url,
                                                     const std::string& namespace_name,
                                                     const LogEndpoint& log) const override {
    const auto redis = std::make_shared<RedisFeed>(url);
    const std::shared_ptr<Feed> feed = sealed(redis);
    const FeedName name{log.inspector->database().database_id, namespace_name};
    return std::make_unique<FeedApplier>(
        redis->url(),
        std::make_unique<FeedRelay>(name, *feed, std::make_unique<Followers>(*log.subscribers)));
  }
};

}  // namespace

const Backend& redis_backend() {
  static const RedisBackend backend;
  return backend;
}

}  // namespace querymark::cli
