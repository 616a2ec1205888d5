#pragma once  // For writers of ports: what a worker's target hands the log on by.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "querymark/deliver/applier.hpp"
#include "querymark/feed/buckets.hpp"
#include "querymark/feed/feed.hpp"
#include "querymark/feed/followers.hpp"

namespace querymark {

/// Hands a log on through a feed: each segment as a certificate, and, while there is none, a beat for
/// whoever asks. For the worker's thread.
class FeedRelay final : public Relay {
 public:
  /// Through `feed`, of which nothing is kept but what it makes. `followers`, if there is one, is told
  /// who asks.
  FeedRelay(const FeedName& name, Feed& feed, std::unique_ptr<Followers> followers = nullptr);
  FeedRelay(const FeedRelay&) = delete;
  FeedRelay& operator=(const FeedRelay&) = delete;
  ~FeedRelay() override;

  void listen() override;
  void hand_on(const Snapshot& from, const Cursor& upto,
               std::optional<std::span<const LogRow>> rows) override;
  void nothing_new(const Snapshot& from, const Cursor& upto) override;
  void on_ask(const std::function<void()>& wake) override;
  [[nodiscard]] RelayStats stats() const override;
  /// See FeedWriter.
  void control() { writer_->control(); }

 private:
  FeedName name_;
  std::unique_ptr<FeedWriter> writer_;
  BucketKeeper buckets_;
  std::unique_ptr<Followers> followers_;
  std::unique_ptr<Doorbell> bell_;
  std::vector<Nonce> asked_;  // before the log was looked at
  std::atomic<std::uint64_t> segments_{0}, beats_{0}, following_{0};
  std::jthread listening_;
};

/// A target that does nothing but hand the log on.
class FeedApplier final : public Applier {
 public:
  FeedApplier(std::string name, std::unique_ptr<FeedRelay> relay)
      : name_(std::move(name)), relay_(std::move(relay)) {}
  [[nodiscard]] std::string name() const override { return name_; }
  /// Nothing: what was handed on is all there is to it.
  void apply(Epoch epoch, std::span<const SharedInvalidation> invalidations) override {
    static_cast<void>(epoch);
    static_cast<void>(invalidations);
  }
  void control(Epoch epoch) override {
    static_cast<void>(epoch);
    relay_->control();
  }
  [[nodiscard]] Relay* relay() noexcept override { return relay_.get(); }

 private:
  std::string name_;
  std::unique_ptr<FeedRelay> relay_;
};

}  // namespace querymark
