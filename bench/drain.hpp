#pragma once

#include <functional>
#include <string>
#include <vector>

#include "querymark/deliver/worker.hpp"
#include "rounds.hpp"

namespace querymark::bench {

/// Intents of a backlog, and of one of the transactions that have made it.
inline constexpr int kDrained = 100'000;
inline constexpr int kPerWrite = 1000;

/// A shared tier that has nothing.
class NoTier final : public Applier {
 public:
  [[nodiscard]] std::string name() const override { return "bench:nothing"; }
  void apply(Epoch /*epoch*/, std::span<const SharedInvalidation> /*rows*/) override {}
  void control(Epoch /*epoch*/) override {}
};

/// Works off what is there; throws when that is not the backlog.
void drain_all(const WorkerLog& log);

/// A queue: `refill` makes a backlog, which `drain` works off against the clock.
struct DrainSubject {
  std::string name;
  std::function<void()> refill;
  std::function<void()> drain;
};
/// Of all that are measured beside each other.
using DrainSubjects = std::vector<DrainSubject>;

void add_postgres_drains(const Options& options, Report& report, DrainSubjects& subjects);

}  // namespace querymark::bench
