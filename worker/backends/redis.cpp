#include "querymark/redis/redis_feed.hpp"
#include "querymark/redis/redis_tier.hpp"

#include <chrono>
#include <memory>
#include <utility>

#include "backends/backend.hpp"
#include "backends/readable_tier.hpp"
#include "backends/scheme.hpp"
#include "querymark/feed/feed_relay.hpp"
#include "querymark/feed/sealed_feed.hpp"
#include "querymark/support/error.hpp"

namespace querymark::cli {
namespace {

class RedisBackend final : public Backend {
 public:
  [[nodiscard]] bool accepts(const std::string& url) const override { return names_redis(url); }
  [[nodiscard]] std::string_view target_form() const noexcept override {
    return "redis://HOST of a Redis server, or redis+cluster://HOST,HOST";
  }
  [[nodiscard]] std::string lacks() const override {
    return "a Redis server holds no log: it is a shared tier, for --target";
  }

  [[nodiscard]] std::shared_ptr<SharedTier> open_tier(
      const std::string& url, std::shared_ptr<const SealingKeys> keys) const override {
    RedisTier tier(url, {.timeout = std::chrono::seconds(5),
                         .max_value_bytes = kLargestValue,
                         .codec = codec_with(std::move(keys))});
    tier.check();
    return std::make_shared<ReadableTier<RedisTier>>(std::move(tier));
  }
  [[nodiscard]] std::unique_ptr<Applier> open_target(const TargetSettings& settings,
                                                     const LogEndpoint& log) const override {
    if (!log.not_for_followers.empty()) throw ConfigError(log.not_for_followers);
    RedisFeedOptions options;
    options.on_put_aside = [lines = settings.lines](const std::string& key) {
      const std::string aside = key + ":aside";
      lines.warn("somebody else's value was in the feed's way: put aside, for a week",
                 {{"key", key}, {"aside", aside}});
    };
    const auto redis = std::make_shared<RedisFeed>(settings.url, std::move(options));
    std::shared_ptr<Feed> feed = redis;
    if (settings.feed_keys) feed = std::make_shared<SealedFeed>(feed, settings.feed_keys);
    const FeedName name{log.inspector->database().database_id, settings.namespace_name};
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
