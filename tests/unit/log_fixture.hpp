#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "querymark/querymark.hpp"

namespace querymark::test {

/// An outbox in front of another that can be told to fail, or to do something at each read.
class FaultyOutbox final : public LogReader, public LogClaims, public Deliveries {
 public:
  explicit FaultyOutbox(MemoryOutbox& real) : real_(real) {}

  [[nodiscard]] Cursor now() override { return checked(), real_.now(); }
  [[nodiscard]] TailPage read(const TailRequest& request) override {
    checked();
    ++reads;
    if (before_read) before_read();
    if (end) return {.upto = *end};
    return real_.read(request);
  }
  [[nodiscard]] Cursor retained() override { return checked(), real_.retained(); }
  [[nodiscard]] bool holds(const Receipt& receipt) override {
    return checked(), real_.holds(receipt);
  }
  [[nodiscard]] bool refutes(const Receipt& /*receipt*/) override { return checked(), refuted; }
  [[nodiscard]] ClaimResult claim(const std::string& consumer, const std::string& owner,
                                  std::chrono::milliseconds lease) override {
    return checked(), real_.claim(consumer, owner, lease);
  }
  [[nodiscard]] bool advance(const Claim& claim, const Cursor& cursor) override {
    return checked(), real_.advance(claim, cursor);
  }
  [[nodiscard]] bool renew(const Claim& claim, std::chrono::milliseconds lease) override {
    ++renewals;
    return checked(), real_.renew(claim, lease);
  }
  void release(const std::string& consumer, const std::string& owner) override {
    checked();
    real_.release(consumer, owner);
  }
  [[nodiscard]] bool record(const Claim& claim, const Progress& progress,
                            OnDeath on_death) override {
    return checked(), real_.record(claim, progress, on_death);
  }
  [[nodiscard]] Taken take_row(const Claim& claim, const SharedInvalidation& row,
                               std::chrono::milliseconds lifetime) override {
    return checked(), real_.take_row(claim, row, lifetime);
  }
  [[nodiscard]] Taken take_due(const Claim& claim, std::size_t limit) override {
    return checked(), real_.take_due(claim, limit);
  }
  [[nodiscard]] bool settle(const Claim& claim, std::span<const Settled> outcomes,
                            OnDeath on_death) override {
    return checked(), real_.settle(claim, outcomes, on_death);
  }
  [[nodiscard]] bool pay_flush(const Claim& claim, Position position) override {
    return checked(), real_.pay_flush(claim, position);
  }
  [[nodiscard]] bool forgive(const Claim& claim, const std::string& reason) override {
    return checked(), real_.forgive(claim, reason);
  }
  [[nodiscard]] std::vector<DeliveryRow> list(const DeliveryFilter& filter) override {
    return checked(), real_.list(filter);
  }
  [[nodiscard]] std::vector<std::uint64_t> decide(std::span<const SeenDelivery> seen,
                                                  Decision decision) override {
    return checked(), real_.decide(seen, decision);
  }

  std::atomic<bool> down{false};
  bool refuted = false;
  std::atomic<int> reads{0};
  std::atomic<int> renewals{0};
  std::function<void()> before_read;
  /// If set: there are no rows, and this is where the log ends.
  std::optional<Cursor> end;

 private:
  void checked() const {
    if (down) throw Error("the database is gone", {.retryable = true, .connection_lost = true});
  }
  MemoryOutbox& real_;
};

/// A doorbell that only `ring` and `interrupt` end: no test waits for a poll interval.
class FakeDoorbell final : public Doorbell {
 public:
  void wait(std::chrono::nanoseconds timeout) override {
    std::unique_lock lock(mutex_);
    ++waits_;
    timeout_ = timeout;
    changed_.notify_all();
    changed_.wait(lock, [&] { return rung_; });
    rung_ = false;
  }
  void interrupt() override { ring(); }
  [[nodiscard]] bool report_asked() override {
    const std::lock_guard lock(mutex_);
    return std::exchange(report_asked_, false);
  }
  void ask_report() {
    {
      const std::lock_guard lock(mutex_);
      report_asked_ = true;
    }
    ring();
  }
  void ring() {
    const std::lock_guard lock(mutex_);
    rung_ = true;
    changed_.notify_all();
  }
  /// Blocks until somebody has begun the `count`-th wait.
  void await_waits(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waits_ >= count; });
  }
  /// How long the last wait was to last.
  [[nodiscard]] std::chrono::nanoseconds timeout() {
    const std::lock_guard lock(mutex_);
    return timeout_;
  }
  [[nodiscard]] int waits() {
    const std::lock_guard lock(mutex_);
    return waits_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool rung_ = false;
  bool report_asked_ = false;
  int waits_ = 0;
  std::chrono::nanoseconds timeout_{};
};

/// A batch of the targets given.
template <class... Targets>
IntentBatch batch(const Targets&... targets) {
  IntentBatch intents;
  (intents.add(targets), ...);
  return intents;
}

/// A process that has read everything, whose polls are counted and whose commits are its own.
struct OwnWriter {
  ManualClock clock;
  MemoryOutbox real{"shop", clock};
  FaultyOutbox outbox{real};
  FakeDoorbell doorbell;
  Marks marks{4096};
  Subscriber subscriber{"shop", outbox, doorbell, marks, {.clock = &clock}};
  OwnWrites own{marks, subscriber};

  OwnWriter() { marks.restart(real.now()); }

  /// An own, acknowledged commit; its rows follow `from` if that is given.
  PendingWrite commit(const Target& target, std::optional<Cursor> from = std::nullopt) {
    PendingWrite pending;
    pending.receipt = real.append(batch(target));
    pending.updates = {{target.id(), pending.receipt.position}};
    pending.follows = from;
    return pending;
  }
  void settle(const PendingWrite& pending) {
    own.apply(pending);
    own.follow(pending);
  }
  [[nodiscard]] bool unchanged(std::uint64_t stamp, const Target& target) const {
    const TargetId id = target.id();
    return marks.unchanged_since(stamp, {&id, 1});
  }
};

}  // namespace querymark::test
