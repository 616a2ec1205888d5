#pragma once  // For users.

#include <memory>
#include <utility>

#include "querymark/feed/feed.hpp"
#include "querymark/tier/sealing_keys.hpp"

namespace querymark {

/// A feed through a server that is trusted with nothing: what travels through it, questions included,
/// is sealed with keys that workers and followers share, for the one log that it is about. So whoever
/// can write to the server can hold back and repeat, which followers find out, and neither read nor
/// invent. Marks in buckets can't be sealed so that a missing one is missed: there are none, and what
/// a follower finds in shared tiers from before its start is a miss.
///
/// Thread-safe. What it makes may outlive it.
class SealedFeed final : public Feed {
 public:
  /// Throws ConfigError where one of them is missing.
  SealedFeed(std::shared_ptr<Feed> feed, std::shared_ptr<const SealingKeys> keys);

  [[nodiscard]] std::unique_ptr<FeedReader> reader(const FeedName& name) override;
  [[nodiscard]] std::unique_ptr<FeedWriter> writer(const FeedName& name) override;
  [[nodiscard]] std::unique_ptr<Doorbell> doorbell(const FeedName& name) override {
    return feed_->doorbell(name);
  }
  [[nodiscard]] std::unique_ptr<Doorbell> ask_bell(const FeedName& name) override {
    return feed_->ask_bell(name);
  }

 private:
  std::shared_ptr<Feed> feed_;
  std::shared_ptr<const SealingKeys> keys_;
};

}  // namespace querymark
