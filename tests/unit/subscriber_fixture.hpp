#pragma once

#include "unit/log_fixture.hpp"

namespace querymark::test {

/// A subscriber that is steered step by step: its log can be told to fail, its doorbell rings when
/// told, and no thread runs until `start()`.
struct SubscriberFixture {
  explicit SubscriberFixture(SubscriberOptions given = {}) : options(given) {}

  ManualClock clock;
  SubscriberOptions options;
  MemoryOutbox real{"shop", clock};
  FaultyOutbox outbox{real};
  FakeDoorbell doorbell;
  Marks marks{4096};
  Subscriber subscriber{"shop", outbox, doorbell, marks, with_clock()};

  [[nodiscard]] SubscriberOptions with_clock() const {
    SubscriberOptions steered = options;
    steered.clock = &clock;
    return steered;
  }

  /// As start() does, but without the thread.
  void attach() { marks.restart(real.now()); }
  Receipt write(const Target& target) { return real.append(batch(target)); }
  [[nodiscard]] bool unchanged(std::uint64_t stamp, const Target& target) const {
    const TargetId id = target.id();
    return marks.unchanged_since(stamp, {&id, 1});
  }
  [[nodiscard]] bool accepts(std::uint64_t horizon, const Target& target) const {
    const TargetId id = target.id();
    return marks.judge({marks.cursor().epoch, {horizon}, {}}, {&id, 1}).has_value();
  }
};

}  // namespace querymark::test
