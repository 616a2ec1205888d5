// A worker's or a pruner's round on a shop's log, whose process stops or dies at a named point of
// it. Driven line by line:
//   drain POINT SIGNAL   read: before the target is asked; applied: before that is recorded;
//                        recorded: before the lease is released     -> what the round came to
//   prune POINT SIGNAL   planned: before rows may be gone; allowed: before one is removed;
//                        removed: after the first few               -> how many rows it has removed
// POINT none: it goes through.
#include <fmt/format.h>
#include <signal.h>

#include <iostream>
#include <memory>
#include <sstream>

#include "querymark/deliver/worker.hpp"
#include "querymark/file_tier/file_tier.hpp"
#include "querymark/log/pruner.hpp"
#include "querymark/sqlite/log.hpp"
#ifdef QUERYMARK_TEST_POSTGRES
#include "querymark/postgres/log.hpp"
#include "querymark/postgres/postgres.hpp"
#endif

namespace qm = querymark;

namespace {

struct Point {
  std::string name;
  int signal = 0;
  void reach(std::string_view here) const {
    if (here == name) ::raise(signal);
  }
};

class PointedApplier final : public qm::Applier {
 public:
  PointedApplier(qm::Applier& real, const Point& point) : real_(real), point_(point) {}
  [[nodiscard]] std::string name() const override { return real_.name(); }
  void apply(qm::Epoch epoch, std::span<const qm::SharedInvalidation> invalidations) override {
    point_.reach("read");
    real_.apply(epoch, invalidations);
    point_.reach("applied");
  }
  void control(qm::Epoch epoch) override { real_.control(epoch); }

 private:
  qm::Applier& real_;
  const Point& point_;
};

class PointedPruning final : public qm::Pruning {
 public:
  PointedPruning(qm::Pruning& real, const Point& point) : real_(real), point_(point) {}
  [[nodiscard]] qm::LogExtent extent() override { return real_.extent(); }
  bool record_snapshot(std::chrono::milliseconds apart, std::chrono::milliseconds keep) override {
    return real_.record_snapshot(apart, keep);
  }
  [[nodiscard]] bool allow(qm::Epoch epoch, const qm::Snapshot& snapshot) override {
    point_.reach("planned");
    const bool allowed = real_.allow(epoch, snapshot);
    point_.reach("allowed");
    return allowed;
  }
  [[nodiscard]] qm::Removed remove(std::size_t limit) override {
    const qm::Removed removed = real_.remove(limit);
    point_.reach("removed");
    return removed;
  }
  std::size_t remove_deliveries(std::chrono::milliseconds keep, std::size_t limit) override {
    return real_.remove_deliveries(keep, limit);
  }

 private:
  qm::Pruning& real_;
  const Point& point_;
};

template <class Log>
class Agent {
 public:
  Agent(const std::string& address, const std::string& tier)
      : log_(address, "shop"), tier_(std::make_shared<qm::FileTier>(tier), "shop") {}

  std::string answer(const std::string& line) {
    std::istringstream in(line);
    std::string command;
    std::string signal;
    in >> command >> point_.name >> signal;
    point_.signal = signal == "STOP" ? SIGSTOP : SIGKILL;
    if (command == "drain") return drain();
    if (command == "prune") return prune();
    return "unknown command " + command;
  }

 private:
  std::string drain() {
    PointedApplier target(tier_, point_);
    qm::WorkerOptions options;
    options.on_round = [&](const qm::WorkerRound&, std::string_view) { point_.reach("recorded"); };
    qm::Worker worker({log_, *claims_, *deliveries_}, target, options);
    const qm::WorkerRound round = worker.run_once();
    worker.release();
    if (round.fenced) return "fenced";
    if (round.standby) return "standby";
    return fmt::format("applied {}", round.applied);
  }
  std::string prune() {
    PointedPruning pruning(*pruning_, point_);
    qm::Pruner pruner(pruning, *subscribers_, {.retention = std::chrono::seconds(0), .chunk = 3});
    return fmt::format("removed {}", pruner.run_once().removed);
  }

  Log log_;
  std::unique_ptr<qm::LogClaims> claims_ = log_.claims();
  std::unique_ptr<qm::Deliveries> deliveries_ = log_.deliveries();
  std::unique_ptr<qm::Pruning> pruning_ = log_.pruning();
  std::unique_ptr<qm::Subscribers> subscribers_ = log_.subscribers();
  qm::FileTierApplier tier_;
  Point point_;
};

template <class Log>
int serve(const std::string& address, const std::string& tier) {
  Agent<Log> agent(address, tier);
  for (std::string line; std::getline(std::cin, line);)
    std::cout << agent.answer(line) << std::endl;
  return 0;
}

}  // namespace

int main(int /*argc*/, char** argv) {
  try {
    const std::string address = argv[1];
    const std::string tier = argv[2];
#ifdef QUERYMARK_TEST_POSTGRES
    if (qm::postgres::is_url(address)) return serve<qm::postgres::Log>(address, tier);
#endif
    return serve<qm::sqlite::Log>(address, tier);
  } catch (const std::exception& failure) {
    std::cout << "failed: " << failure.what() << std::endl;
    return 1;
  }
}
