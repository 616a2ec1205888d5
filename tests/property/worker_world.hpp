#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "property/log_follower.hpp"
#include "property/worker_process.hpp"
#include "querymark/log/pruner.hpp"

namespace querymark::test {

/// The log of one namespace in whatever database a world has.
class WorldLog {
 public:
  virtual ~WorldLog() = default;
  [[nodiscard]] virtual LogPorts ports() = 0;
  /// One transaction. Nothing: a malformed row. Returns their positions.
  virtual std::vector<Position> write(std::span<const std::optional<Target>> rows) = 0;
  /// The database is put back to one that knows none of this.
  virtual void lose_history() = 0;
  /// The clock by which it judges leases, in milliseconds.
  [[nodiscard]] virtual std::int64_t leases() = 0;
};
using WorldLogs = std::vector<std::unique_ptr<WorldLog>>;

/// What happened, so that a test can see that all of it does.
struct WorkerTally {
  Wrongs wrongs;
  std::uint64_t rounds = 0, applied = 0, deaths = 0, stops = 0, outages = 0, unreached = 0;
  std::uint64_t fenced = 0, superseded = 0, dead = 0, paid = 0, taken_rows = 0, decided = 0;
  std::uint64_t pruned = 0, restarts = 0, shown = 0, histories = 0, careful = 0, flushes = 0;
};

/// Whether tiers forget at times what they were told: that has to be found.
struct WorkerMutant {
  bool forgets = false;
};

/// Workers of some targets in some namespaces, each target with several, operators, pruners and
/// followers. Each step of each is one call of the log or the tier; in front of it and behind it
/// others may come on, for as long as they like, and the process may end.
class WorkerWorld final : public Fate {
 public:
  WorkerWorld(std::uint64_t seed, const std::function<WorldLogs(ManualClock&)>& make,
              WorkerMutant mutant, WorkerTally& tally)
      : choices_(seed), mutant_(mutant), tally_(tally), logs_(make(clock_)) {
    std::vector<std::string> names;
    for (ModelTier& tier : tiers_) names.push_back(tier.name);
    for (const auto& log : logs_) {
      Namespace& made = *namespaces_.emplace_back(std::make_unique<Namespace>(*log));
      made.checked = std::make_unique<CheckedLog>(
          made.ports, made.intents, names, clock_, [at = log.get()] { return at->leases(); },
          tally.wrongs);
      made.follower = std::make_unique<LogFollower>(made.ports, made.intents, tally.wrongs);
      for (ModelTier& tier : tiers_)
        for (int i = 0; i < 2; ++i) open(made.processes.emplace_back(), made, tier);
    }
    for (auto& each : namespaces_)
      for (auto& other : namespaces_) each->checked->of_database.push_back(other->checked.get());
  }
  ~WorkerWorld() {
    for (auto& each : namespaces_) {
      const CheckedLog& log = *each->checked;
      tally_.fenced += log.fenced;
      tally_.superseded += log.superseded;
      tally_.dead += log.died;
      tally_.paid += log.paid;
      tally_.taken_rows += log.taken_rows;
      tally_.restarts += each->follower->restarts;
      tally_.shown += each->follower->shown;
    }
  }

  void run(std::size_t steps) {
    for (std::size_t i = 0; i < steps && tally_.wrongs.count == 0; ++i) step();
  }
  /// Troubles end, but for what tiers do not take: all comes to an end in bounded steps.
  void calm_down();

  // --- fate
  [[nodiscard]] bool passes(WorkerProcess& process) override;
  void told(WorkerProcess& process, Epoch epoch, const SharedInvalidation& taken) override {
    Namespace& in = of(process);
    if (mutant_.forgets && choices_.one_in(20)) return;
    if (in.epoch != epoch) return;
    in.intents.apply(static_cast<std::size_t>(&process.shared - tiers_.data()), taken);
  }
  [[nodiscard]] Trouble trouble(std::size_t wanted) override {
    if (calm_) return {};
    return {.outage = outages_ && choices_.one_in(outages_),
            .glitch = glitches_ && choices_.one_in(12),
            .after = choices_.below(wanted + 1)};
  }
  [[nodiscard]] std::chrono::milliseconds pause() override {
    return std::chrono::milliseconds(1 + choices_.below(calm_ ? 10 : 400));
  }

 private:
  static constexpr std::size_t kTiers = 2;
  struct Namespace {
    explicit Namespace(WorldLog& of)
        : log(of), ports(of.ports()), intents(kTiers), epoch(ports.reader.now().epoch) {}
    WorldLog& log;
    LogPorts ports;
    CommittedIntents intents;
    Epoch epoch;
    std::unique_ptr<CheckedLog> checked;
    std::unique_ptr<LogFollower> follower;
    std::vector<std::unique_ptr<WorkerProcess>> processes;
    std::vector<SeenDelivery> photograph;  // that an operator once took
  };
  [[nodiscard]] Namespace& of(const WorkerProcess& process) {
    return **std::ranges::find_if(
        namespaces_, [&](const auto& each) { return each->checked.get() == &process.log; });
  }
  void open(std::unique_ptr<WorkerProcess>& process, Namespace& in, ModelTier& tier);
  void step();
  void write(Namespace& in);
  void round(Namespace& in, std::unique_ptr<WorkerProcess>& process);
  void check_round(Namespace& in, const WorkerProcess& process, const WorkerRound& round);
  void change_tiers();
  void decide(Namespace& in);
  void prune(Namespace& in);
  void lose_history();
  // Why not; empty: it is.
  [[nodiscard]] std::string unrest(Namespace& in);
  [[nodiscard]] std::string rounds_until_quiet(std::size_t most, std::chrono::milliseconds apart);
  [[nodiscard]] Target some_target();

  Choices choices_;
  WorkerMutant mutant_;
  WorkerTally& tally_;
  ManualClock clock_;
  // How this world is.
  const std::size_t outages_ = choices_.one_in(4) ? 0 : std::size_t{4} << choices_.below(5);
  const bool glitches_ = choices_.one_in(3);
  const bool poisons_ = choices_.one_in(2);
  const bool dies_ = choices_.one_in(2);
  const bool stops_ = choices_.one_in(2);
  const bool loses_answers_ = choices_.one_in(3);
  const bool leaps_ = choices_.one_in(3);
  const bool loses_history_ = choices_.one_in(4);
  const bool operates_ = choices_.one_in(2);
  const bool prunes_ = choices_.one_in(2);
  const OnDeath on_death_ = choices_.one_in(5) ? OnDeath::nothing : OnDeath::flush;
  const std::size_t most_ = 2 + choices_.below(8);  // targets that are written

  WorldLogs logs_;
  std::array<ModelTier, kTiers> tiers_{{{.name = "one"}, {.name = "two"}}};
  std::vector<std::unique_ptr<Namespace>> namespaces_;
  bool calm_ = false;
  int depth_ = 0;
};

}  // namespace querymark::test
