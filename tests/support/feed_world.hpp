#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "querymark/deliver/worker.hpp"
#include "querymark/feed/feed_log.hpp"
#include "querymark/feed/feed_relay.hpp"
#include "querymark/follow/subscriber.hpp"
#include "querymark/log/memory_outbox.hpp"
#include "querymark/redis/redis_feed.hpp"

namespace querymark::test {

inline IntentBatch batch(Target target) {
  IntentBatch intents;
  intents.add(std::move(target));
  return intents;
}

/// A log in memory, a worker on a thread of its own that hands it on, and the server between.
struct Handed {
  explicit Handed(const std::string& url, const std::string& log = "db",
                  std::chrono::milliseconds timeout = std::chrono::seconds(2))
      : name{log, "shop"}, feed(url, {.timeout = timeout}) {}
  ~Handed() {
    if (working.joinable()) working.request_stop();
  }

  class Bell final : public Doorbell {
   public:
    void wait(std::chrono::nanoseconds timeout) override {
      std::unique_lock lock(mutex_);
      rung_.wait_for(lock, timeout, [this] { return ringing_; });
      ringing_ = false;
    }
    void interrupt() override {
      const std::scoped_lock lock(mutex_);
      ringing_ = true;
      rung_.notify_all();
    }

   private:
    std::mutex mutex_;
    std::condition_variable rung_;
    bool ringing_ = false;
  };

  void work() {
    applier = std::make_unique<FeedApplier>(
        feed.url(), std::make_unique<FeedRelay>(name, feed, std::make_unique<Followers>(outbox)));
    applier->relay()->on_ask([this] { bell.interrupt(); });
    WorkerOptions options;
    options.poll_interval = std::chrono::milliseconds(100);
    options.retry.cap = std::chrono::milliseconds(100);
    worker = std::make_unique<Worker>(WorkerLog{outbox, outbox, outbox, &bell}, *applier, options);
    working = std::jthread([this](const std::stop_token& stop) { worker->run(stop); });
  }
  void stop_working() {
    working.request_stop();
    working.join();
    worker.reset();
    applier.reset();
  }
  Receipt write(const Target& target) {
    Receipt receipt = outbox.append(batch(target));
    bell.interrupt();
    return receipt;
  }

  FeedName name;
  RedisFeed feed;
  MemoryOutbox outbox{"shop"};
  Bell bell;
  std::unique_ptr<FeedApplier> applier;
  std::unique_ptr<Worker> worker;
  std::jthread working;
};

/// A process that follows, without a database.
struct Follower {
  explicit Follower(Handed& handed, std::chrono::nanoseconds patience = std::chrono::seconds(10))
      : log(handed.name, handed.feed.reader(handed.name),
            {.answer_timeout = patience, .asks_apart = std::chrono::milliseconds(10)}),
        bell(handed.feed.doorbell(handed.name)),
        subscriber("shop", log, *bell, marks, {}) {}

  [[nodiscard]] bool unchanged(std::uint64_t stamp, const Target& target) const {
    const TargetId id = target.id();
    return marks.unchanged_since(stamp, {&id, 1});
  }

  Marks marks{4096};
  FeedLog log;
  std::unique_ptr<Doorbell> bell;
  Subscriber subscriber;
};

}  // namespace querymark::test
