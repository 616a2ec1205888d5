#include "querymark/mark/marks.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <thread>
#include <vector>

#include "property/random.hpp"
#include "support/rounds.hpp"

namespace {

using namespace querymark;
using test::Choices;

const Epoch kEpoch{1, 1};

std::vector<TargetId> numbered_targets(int count) {
  std::vector<TargetId> targets;
  for (int i = 0; i < count; ++i) targets.push_back(entity("p", i).id());
  return targets;
}

// A database with overlapping transactions, and one process that hears of them through its log, its
// own commits, or both, in any order.
class Run {
 public:
  explicit Run(std::uint64_t seed) : choices_(seed) { restart(); }

  void step() {
    switch (choices_.below(10)) {
      case 0:
      case 1:
        begin();
        break;
      case 2:
      case 3:
      case 4:
        commit();
        break;
      case 5:
        own_commit_returns();
        break;
      case 6:
        if (choices_.one_in(5)) restart();
        break;
      default:
        poll();
    }
    check();
  }

 private:
  struct Row {
    std::size_t target;
    Position position;
  };
  struct Known {  // the generations around the last invalidation
    std::uint64_t before, after;
  };
  struct Write {
    Position position;
    std::set<std::size_t> targets;
    bool own;
    std::optional<Cursor> follows = std::nullopt;
  };

  [[nodiscard]] Cursor cursor() const {
    std::vector<Position> running;
    for (const auto& [position, write] : running_) running.push_back(Position{position});
    const Position next{next_};
    return {kEpoch, {running.empty() ? next : running.front(), next, running}, {}};
  }

  // Everything below the position.
  static Snapshot before(Position position) { return {position, position, {}}; }

  void begin() {
    if (running_.size() >= 6) return;
    Write write{{next_++}, {}, choices_.one_in(2)};
    for (std::size_t i = choices_.below(3); i > 0; --i)
      write.targets.insert(choices_.below(kTargets));
    running_.emplace(write.position.value, write);
  }
  void commit() {
    if (running_.empty()) return;
    const auto at =
        std::next(running_.begin(), static_cast<std::ptrdiff_t>(choices_.below(running_.size())));
    // Nobody else is writing, and the process has read all before: as on SQLite.
    if (running_.size() == 1 && marks_.cursor().snapshot == before(at->second.position))
      at->second.follows = marks_.cursor();
    for (const std::size_t target : at->second.targets)
      log_.push_back({target, at->second.position});
    if (at->second.own) acknowledged_.push_back(at->second);
    running_.erase(at);
  }
  // The writer applies its intents at some time after its commit: before or after the log's copy.
  void own_commit_returns() {
    if (acknowledged_.empty()) return;
    const Write write = acknowledged_.front();
    acknowledged_.erase(acknowledged_.begin());
    std::vector<MarkUpdate> updates;
    for (const std::size_t target : write.targets)
      updates.push_back({targets_[target], write.position});
    const std::uint64_t before = marks_.generation();
    const bool in_doubt = choices_.one_in(4);
    if (in_doubt)
      marks_.apply_unconfirmed(updates);
    else if (!write.follows || !marks_.apply_next(*write.follows, updates,
                                                  {kEpoch, Snapshot::upto(write.position), {}}))
      marks_.apply_own(kEpoch, updates);
    for (const std::size_t target : write.targets) {
      if (in_doubt)
        known_[target] = {before, marks_.generation()};  // and again when the log shows it
      else
        know(target, write.position, before);
      highest_[target] = std::max(highest_[target], write.position);
    }
  }
  void poll() {
    const Cursor from = marks_.cursor();
    const Cursor to = cursor();
    std::vector<Row> rows;
    std::vector<MarkUpdate> updates;
    for (const Row& row : log_) {
      if (from.snapshot.covers(row.position) || !to.snapshot.covers(row.position)) continue;
      rows.push_back(row);
      updates.push_back({targets_[row.target], row.position});
    }
    // An own commit may return while the read is in flight, and move the cursor.
    if (choices_.one_in(2)) own_commit_returns();
    const std::uint64_t before = marks_.generation();
    if (updates.size() > 1 && choices_.one_in(3)) {  // in two pages
      marks_.apply_page(kEpoch, std::span(updates).first(1));
      marks_.apply_log(std::span(updates).subspan(1), to);
    } else {
      marks_.apply_log(updates, to);
    }
    REQUIRE(marks_.cursor() == to);
    for (const Row& row : rows) know(row.target, row.position, before);
  }
  void restart() {
    const std::uint64_t before = marks_.generation();
    marks_.restart(cursor());
    floor_ = cursor().snapshot.limit();
    applied_.clear();
    for (std::size_t target = 0; target < kTargets; ++target)
      known_[target] = {before, marks_.generation()};
    for (const Row& row : log_)
      if (marks_.cursor().snapshot.covers(row.position))
        applied_.insert({row.target, row.position});
  }

  // The process has heard of this invalidation: new if it was not applied before.
  void know(std::size_t target, Position position, std::uint64_t before) {
    highest_[target] = std::max(highest_[target], position);
    if (applied_.insert({target, position}).second) known_[target] = {before, marks_.generation()};
  }

  void check() {
    REQUIRE(marks_.floor() == floor_);
    for (std::size_t target = 0; target < kTargets; ++target) {
      const TargetId id = targets_[target];
      // What a load would be stamped with now is fresh now.
      const Stamp stamp = marks_.begin_load();
      REQUIRE(marks_.unchanged_since(stamp.generation, {&id, 1}));
      // An entry from before the last invalidation that was new is dead; one from after it is not,
      // although the log has shown own commits a second time.
      const Known known = known_[target];
      REQUIRE_FALSE(marks_.unchanged_since(known.before, {&id, 1}));
      REQUIRE(marks_.unchanged_since(known.after, {&id, 1}));
      // A shared value is taken only if it includes every position that the process knows.
      const Position horizon{stamp.shared.horizon.value - choices_.below(4)};
      if (marks_.judge({kEpoch, horizon, {}}, {&id, 1})) {
        REQUIRE(horizon >= floor_);
        REQUIRE(highest_[target] < horizon);
      }
    }
  }

  static constexpr std::size_t kTargets = 5;
  Choices choices_;
  const std::vector<TargetId> targets_ = numbered_targets(kTargets);
  Marks marks_{1024};
  std::uint64_t next_ = 100;
  std::map<std::uint64_t, Write> running_;
  std::vector<Write> acknowledged_;
  std::vector<Row> log_;
  std::set<std::pair<std::size_t, Position>> applied_;
  std::map<std::size_t, Position> highest_;
  std::map<std::size_t, Known> known_;
  Position floor_{100};
};

}  // namespace

TEST_CASE("marks: overlapping transactions heard of in any order are never missed", "[marks]") {
  const std::uint64_t first = Choices::first_seed();
  for (std::uint64_t seed = first; seed < first + 300; ++seed) {
    INFO("QUERYMARK_SEED=" << seed);
    Run run(seed);
    for (int i = 0; i < 300; ++i) run.step();
  }
}

TEST_CASE("marks: whoever has read a generation sees every mark up to it", "[marks]") {
  constexpr int kTargets = 64;
  constexpr std::uint64_t kRounds = test::rounds(20'000);
  const std::vector<TargetId> targets = numbered_targets(kTargets);
  Marks marks(1024);
  marks.restart({kEpoch, Snapshot::upto({0}), {}});
  const std::uint64_t base = marks.generation();
  // One writer by the log, in known order: batch n hits target n % kTargets and is generation
  // base + n. The mark of the target of batch n must show as soon as generation base + n does.
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> violations{0};
  std::atomic<std::uint64_t> looks{0};
  std::vector<std::jthread> readers;
  for (int r = 0; r < 2; ++r) {
    readers.emplace_back([&] {
      while (!done.load(std::memory_order_relaxed)) {
        const std::uint64_t seen = marks.generation();
        if (seen == base) continue;
        const TargetId last = targets[(seen - base) % kTargets];
        if (marks.unchanged_since(seen - 1, {&last, 1})) violations.fetch_add(1);
        const Stamp stamp = marks.begin_load();
        // The generation is published before the cursor, so the horizon is never ahead of it by
        // more than was applied since it was read.
        if (stamp.generation < seen) violations.fetch_add(1);
        const std::uint64_t after = marks.generation() - base;
        if (stamp.shared.horizon.value > after + 1) violations.fetch_add(1);
        looks.fetch_add(1, std::memory_order_relaxed);
      }
    });
  }
  for (std::uint64_t n = 1; n <= kRounds || looks.load() < 1000; ++n) {
    const MarkUpdate update{targets[n % kTargets], {n}};
    marks.apply_log({&update, 1}, {kEpoch, Snapshot::upto({n}), {}});
  }
  done = true;
  readers.clear();
  CHECK(violations == 0);
}

TEST_CASE("marks: appliers of all kinds at once lose no invalidation", "[marks]") {
  constexpr int kThreads = 3;
  constexpr std::uint64_t kRounds = test::rounds(5000);
  const std::vector<TargetId> targets = numbered_targets(kThreads);
  Marks marks(1024);
  marks.restart({kEpoch, Snapshot::upto({0}), {}});
  std::atomic<std::uint64_t> lost{0};
  std::atomic<std::uint64_t> position{0};
  std::vector<std::jthread> appliers;
  for (int t = 0; t < kThreads; ++t) {
    appliers.emplace_back([&, t] {
      const TargetId mine = targets[static_cast<std::size_t>(t)];
      for (std::uint64_t i = 0; i < kRounds; ++i) {
        const std::uint64_t stamp = marks.begin_load().generation;
        const std::uint64_t at = position.fetch_add(1) + 1;
        const MarkUpdate update{mine, {at}};
        if (t == 0) {
          marks.apply_own(kEpoch, {&update, 1});
          // Nothing covers it yet: only this thread moves the cursor.
          if (marks.unchanged_since(stamp, {&mine, 1})) lost.fetch_add(1);
          marks.apply_log({&update, 1}, {kEpoch, Snapshot::upto({at}), {}});
        } else {
          marks.apply_unconfirmed({&update, 1});
          if (marks.unchanged_since(stamp, {&mine, 1})) lost.fetch_add(1);
        }
      }
    });
  }
  appliers.clear();
  CHECK(lost == 0);
  CHECK(marks.remembered() == 0);
}
