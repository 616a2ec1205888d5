#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "querymark/support/error.hpp"
#include "querymark/tier/shared_tier.hpp"

namespace querymark::test {

/// A tier whose calls stand still for as long as a test wants: a slow one.
class GatedTier final : public SharedTier {
 public:
  explicit GatedTier(std::shared_ptr<SharedTier> real) : real_(std::move(real)) {}

  /// From now on reads and puts stand still before they reach the tier.
  void close() {
    const std::scoped_lock lock(mutex_);
    closed_ = true;
  }
  void open() {
    const std::scoped_lock lock(mutex_);
    closed_ = false;
    changed_.notify_all();
  }
  /// Returns once so many calls stand still.
  void await(int calls) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return standing_ >= calls; });
  }

  [[nodiscard]] std::string_view label() const noexcept override { return real_->label(); }
  [[nodiscard]] TierLimits limits() const noexcept override { return real_->limits(); }
  [[nodiscard]] std::optional<TierFailure> read(std::string_view namespace_name,
                                                std::span<TierRead> wanted) noexcept override {
    reads.fetch_add(1);
    pass();
    return real_->read(namespace_name, wanted);
  }
  StoreStatus put(std::string_view namespace_name, const Digest& name,
                  const SharedValue& value) noexcept override {
    pass();
    return real_->put(namespace_name, name, value);
  }
  std::size_t remove(std::string_view namespace_name, std::span<const Digest> names) override {
    removals.fetch_add(1);
    return real_->remove(namespace_name, names);
  }
  [[nodiscard]] bool names_newest() const noexcept override { return real_->names_newest(); }
  [[nodiscard]] std::optional<SharedStamp> newest(Epoch epoch) const override {
    return real_->newest(epoch);
  }

  std::atomic<int> reads{0}, removals{0};

 private:
  void pass() {
    std::unique_lock lock(mutex_);
    ++standing_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return !closed_; });
    --standing_;
  }

  std::shared_ptr<SharedTier> real_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool closed_ = false;
  int standing_ = 0;
};

/// Has one answer to everything, says that it keeps what it drops, and removes nothing. It can't
/// name what it holds.
class LyingTier final : public SharedTier {
 public:
  explicit LyingTier(std::optional<SharedValue> answer) : answer_(std::move(answer)) {}
  [[nodiscard]] std::string_view label() const noexcept override { return "liar"; }
  [[nodiscard]] std::optional<TierFailure> read(std::string_view /*namespace_name*/,
                                                std::span<TierRead> wanted) noexcept override {
    for (TierRead& one : wanted) one.value = answer_;
    return std::nullopt;
  }
  StoreStatus put(std::string_view /*namespace_name*/, const Digest& /*name*/,
                  const SharedValue& /*value*/) noexcept override {
    return StoreStatus::stored;
  }
  std::size_t remove(std::string_view /*namespace_name*/,
                     std::span<const Digest> /*names*/) override {
    return 0;
  }

 private:
  const std::optional<SharedValue> answer_;
};

}  // namespace querymark::test
