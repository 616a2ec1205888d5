#pragma once

#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "querymark/deliver/worker.hpp"
#include "unit/log_fixture.hpp"

namespace querymark::test {

/// A shared target that records what it is told, and fails as it is told to.
class RecordingApplier final : public Applier {
 public:
  [[nodiscard]] std::string name() const override { return "redis-1"; }
  void apply(Epoch epoch, std::span<const SharedInvalidation> invalidations) override {
    if (during) during();
    if (down) throw std::runtime_error("connection refused");
    for (const SharedInvalidation& invalidation : invalidations)
      if (poison && poison(invalidation)) throw std::runtime_error("no such thing");
    epochs.push_back(epoch);
    for (const SharedInvalidation& invalidation : invalidations) applied.push_back(invalidation);
    ++calls;
  }
  void control(Epoch /*epoch*/) override {
    ++controls;
    if (down) throw std::runtime_error("connection refused");
  }
  [[nodiscard]] std::vector<std::string> texts() const {
    std::vector<std::string> texts;
    for (const SharedInvalidation& invalidation : applied)
      texts.push_back(invalidation.target.is_flush() ? "*" : invalidation.target.text());
    return texts;
  }

  bool down = false;  // takes nothing, a control operation neither
  std::function<bool(const SharedInvalidation&)> poison;
  int calls = 0;
  int controls = 0;
  std::function<void()> during;
  std::vector<Epoch> epochs;
  std::vector<SharedInvalidation> applied;
};

/// A log in memory, a target, and as many workers as a test wants.
struct WorkerFixture {
  ManualClock clock;
  MemoryOutbox outbox{"shop", clock};
  RecordingApplier applier;
  WorkerOptions options;
  std::vector<std::string> errors;

  WorkerFixture() {
    options.clock = &clock;
    options.on_round = [this](const WorkerRound&, std::string_view error) {
      if (!error.empty()) errors.emplace_back(error);
    };
  }
  [[nodiscard]] Worker worker() { return {{outbox, outbox, outbox}, applier, options}; }
  // Past the flush with which a new target begins.
  void register_target(Worker& worker) {
    (void)worker.run_once();
    applier.applied.clear();
    applier.calls = 0;
  }
};

}  // namespace querymark::test
