#include "querymark/mark/marks.hpp"

#include <array>
#include <catch2/catch.hpp>
#include <vector>

namespace {

using namespace querymark;

const Epoch kEpoch{1, 1};
const Epoch kOther{2, 2};
const TargetId kA = tag("a").id();
const TargetId kB = tag("b").id();
const TargetId kC = tag("c").id();

Cursor upto(std::uint64_t last, Epoch epoch = kEpoch) {
  return {epoch, Snapshot::upto({last}), {}};
}
Cursor at(Snapshot snapshot, Epoch epoch = kEpoch) { return {epoch, std::move(snapshot), {}}; }

MarkUpdate hit(TargetId target, std::uint64_t position = 0) { return {target, {position}}; }
MarkUpdate flush(std::uint64_t position = 0) { return {std::nullopt, {position}}; }

struct Fixture {
  Marks marks{4096};
  Fixture() { marks.restart(upto(10)); }

  void apply_log(std::vector<MarkUpdate> updates, const Cursor& cursor) {
    marks.apply_log(updates, cursor);
  }
  void apply_own(std::vector<MarkUpdate> updates, Epoch epoch = kEpoch) {
    marks.apply_own(epoch, updates);
  }
  void apply_unconfirmed(std::vector<MarkUpdate> updates) { marks.apply_unconfirmed(updates); }
  bool unchanged(std::uint64_t stamp, TargetId target) const {
    return marks.unchanged_since(stamp, {&target, 1});
  }
  bool accepts(const SharedStamp& stamp, TargetId target) const {
    return marks.judge(stamp, {&target, 1}).has_value();
  }
  static SharedStamp shared(std::uint64_t horizon, Epoch epoch = kEpoch) {
    return {epoch, {horizon}, {}};
  }
};

}  // namespace

TEST_CASE("marks: an invalidation kills older stamps of its target and no others", "[marks]") {
  Fixture f;
  const std::uint64_t before = f.marks.begin_load().generation;
  f.apply_log({hit(kA, 11)}, upto(11));
  const std::uint64_t after = f.marks.begin_load().generation;
  CHECK(after > before);
  CHECK_FALSE(f.unchanged(before, kA));
  CHECK(f.unchanged(before, kB));
  CHECK(f.unchanged(after, kA));
  const std::array both{kB, kA};
  CHECK_FALSE(f.marks.unchanged_since(before, both));
  CHECK(f.marks.unchanged_since(before, {}));
}

TEST_CASE("marks: a flush kills everything that is older", "[marks]") {
  Fixture f;
  const std::uint64_t before = f.marks.generation();
  f.apply_log({flush(11)}, upto(11));
  CHECK_FALSE(f.unchanged(before, kA));
  CHECK_FALSE(f.marks.unchanged_since(before, {}));
  CHECK(f.unchanged(f.marks.generation(), kA));
  CHECK_FALSE(f.accepts(Fixture::shared(11), kA));
  CHECK(f.accepts(Fixture::shared(12), kA));
}

TEST_CASE("marks: a batch is one generation", "[marks]") {
  Fixture f;
  const std::uint64_t before = f.marks.generation();
  f.apply_log({hit(kA, 11), hit(kB, 12)}, upto(12));
  CHECK(f.marks.generation() == before + 1);
  f.apply_log({}, upto(13));
  CHECK(f.marks.generation() == before + 1);
  CHECK(f.marks.cursor() == upto(13));
}

TEST_CASE("marks: a load's stamp holds the cursor's horizon, epoch and witness", "[marks]") {
  Fixture f;
  f.marks.restart({kEpoch, Snapshot({20}, {25}, {{20}, {23}}), {77}});
  const Stamp stamp = f.marks.begin_load();
  CHECK(stamp.shared == SharedStamp{kEpoch, {20}, {77}});
  CHECK(stamp.generation == f.marks.generation());
}

TEST_CASE("marks: a shared value is valid while every known position is below its horizon",
          "[marks]") {
  Fixture f;
  f.apply_log({hit(kA, 15)}, upto(20));
  CHECK_FALSE(f.accepts(Fixture::shared(15), kA));
  CHECK(f.accepts(Fixture::shared(16), kA));
  CHECK(f.accepts(Fixture::shared(15), kB));
  const std::array both{kB, kA};
  CHECK_FALSE(f.marks.judge(Fixture::shared(15), both));
}

TEST_CASE("marks: an accepted shared value gets a stamp that a later invalidation kills",
          "[marks]") {
  Fixture f;
  const auto generation = f.marks.judge(Fixture::shared(11), {&kA, 1});
  REQUIRE(generation);
  CHECK(f.unchanged(*generation, kA));
  f.apply_log({hit(kA, 12)}, upto(12));
  CHECK_FALSE(f.unchanged(*generation, kA));
}

TEST_CASE("marks: positions that commit out of order are judged by their maximum", "[marks]") {
  Fixture f;
  f.apply_log({hit(kA, 18)}, at(Snapshot({15}, {20}, {{15}})));
  f.apply_log({hit(kA, 15)}, at(Snapshot({20}, {20}, {})));
  CHECK_FALSE(f.accepts(Fixture::shared(17), kA));
  CHECK_FALSE(f.accepts(Fixture::shared(18), kA));
  CHECK(f.accepts(Fixture::shared(19), kA));
}

TEST_CASE("marks: a value of another epoch or below the floor is unknown, thus refused",
          "[marks]") {
  Fixture f;
  CHECK(f.accepts(Fixture::shared(11), kA));
  CHECK_FALSE(f.accepts(Fixture::shared(11, kOther), kA));
  CHECK_FALSE(f.accepts(Fixture::shared(10), kA));
}

TEST_CASE("marks: the cold-start floor is the limit of the first snapshot, not its horizon",
          "[marks]") {
  // Hard case 6: the snapshot already sees 741, whose row this process never reads.
  Marks marks(4096);
  marks.restart(at(Snapshot({739}, {742}, {{739}, {740}})));
  CHECK(marks.floor() == Position{742});
  CHECK_FALSE(marks.judge(Fixture::shared(739), {&kA, 1}));
  CHECK_FALSE(marks.judge(Fixture::shared(741), {&kA, 1}));
  CHECK(marks.judge(Fixture::shared(742), {&kA, 1}));
}

TEST_CASE("marks: history lowers the floor once all of it was read", "[marks]") {
  Fixture f;
  const std::uint64_t generation = f.marks.generation();
  const std::array first{hit(kA, 5)};
  f.marks.learn_history(kEpoch, first, std::nullopt);
  CHECK(f.marks.floor() == Position{11});
  const std::array second{hit(kB, 7), flush(3)};
  f.marks.learn_history(kEpoch, second, Position{2});
  CHECK(f.marks.floor() == Position{2});
  CHECK(f.marks.generation() == generation);  // nothing in memory is older than the start
  CHECK(f.accepts(Fixture::shared(6), kA));
  CHECK_FALSE(f.accepts(Fixture::shared(5), kA));
  CHECK_FALSE(f.accepts(Fixture::shared(7), kB));
  CHECK(f.accepts(Fixture::shared(8), kB));
  CHECK_FALSE(f.accepts(Fixture::shared(3), tag("never written").id()));
  CHECK(f.accepts(Fixture::shared(4), tag("never written").id()));
  f.marks.learn_history(kEpoch, {}, Position{9});  // never raised
  CHECK(f.marks.floor() == Position{2});
}

TEST_CASE("marks: history of another epoch is ignored", "[marks]") {
  Fixture f;
  const std::array updates{hit(kA, 5)};
  f.marks.learn_history(kOther, updates, Position{2});
  CHECK(f.marks.floor() == Position{11});
}

TEST_CASE("marks: an own commit is applied once when the writer is faster than the log",
          "[marks]") {
  // Hard case 5, first order.
  Fixture f;
  f.apply_own({hit(kA, 11)});
  CHECK(f.marks.remembered() == 1);
  const std::uint64_t loaded = f.marks.begin_load().generation;
  f.apply_log({hit(kA, 11)}, upto(11));
  CHECK(f.unchanged(loaded, kA));
  CHECK(f.marks.remembered() == 0);
  // The same target written again is another pair.
  f.apply_log({hit(kA, 12)}, upto(12));
  CHECK_FALSE(f.unchanged(loaded, kA));
}

TEST_CASE("marks: an own commit is applied once when the log is faster than the writer",
          "[marks]") {
  // Hard case 5, second order.
  Fixture f;
  f.apply_log({hit(kA, 11)}, upto(11));
  const std::uint64_t loaded = f.marks.begin_load().generation;
  f.apply_own({hit(kA, 11)});
  CHECK(f.unchanged(loaded, kA));
  CHECK(f.marks.remembered() == 0);
}

TEST_CASE("marks: an own commit that follows the cursor moves it, and nowhere else", "[marks]") {
  Fixture f;
  const std::uint64_t before = f.marks.begin_load().generation;
  const std::array own{hit(kA, 11), hit(kB, 12)};
  CHECK_FALSE(f.marks.apply_next(upto(9), own, upto(12)));
  CHECK_FALSE(f.marks.apply_next({kOther, Snapshot::upto({10}), {}}, own, upto(12)));
  CHECK(f.marks.generation() == before);
  CHECK(f.marks.cursor() == upto(10));
  CHECK(f.marks.apply_next(upto(10), own, upto(12)));
  CHECK_FALSE(f.unchanged(before, kA));
  CHECK_FALSE(f.unchanged(before, kB));
  CHECK(f.marks.cursor() == upto(12));
  CHECK(f.marks.remembered() == 0);
  CHECK(f.marks.begin_load().shared.horizon == Position{13});
  CHECK_FALSE(f.accepts(f.shared(11), kA));
  CHECK_FALSE(f.marks.apply_next(upto(10), own, upto(12)));
}

TEST_CASE("marks: a read of the log in flight loses nothing to an own commit that moves the cursor",
          "[marks]") {
  Fixture f;
  const std::array own{hit(kA, 11)};
  // Rows 11 to 13 were read from cursor 10, in two pages.
  CHECK(f.marks.apply_next(upto(10), own, upto(11)));
  const std::uint64_t loaded = f.marks.begin_load().generation;
  const std::array first{hit(kA, 11), hit(kB, 12)};
  SECTION("pages") {
    f.marks.apply_page(kEpoch, first);
    CHECK(f.marks.cursor() == upto(11));
    CHECK_FALSE(f.unchanged(loaded, kB));
    f.apply_log({hit(kC, 13)}, upto(13));
    CHECK_FALSE(f.unchanged(loaded, kC));
  }
  SECTION("one page") {
    f.apply_log({hit(kA, 11), hit(kB, 12), hit(kC, 13)}, upto(13));
    CHECK_FALSE(f.unchanged(loaded, kB));
  }
  CHECK(f.unchanged(loaded, kA));  // applied once
  CHECK(f.marks.cursor() == upto(13));
  const std::uint64_t later = f.marks.generation();
  const std::array foreign{hit(kA, 20)};
  f.marks.apply_page(kOther, foreign);
  CHECK(f.marks.generation() == later);
}

TEST_CASE("marks: other intents of the own transaction are applied by the log", "[marks]") {
  // Hard case 4: a trigger's row has the writer's position.
  Fixture f;
  f.apply_own({hit(kA, 11)});
  const std::uint64_t loaded = f.marks.begin_load().generation;
  f.apply_log({hit(kA, 11), hit(kB, 11)}, upto(11));
  CHECK(f.unchanged(loaded, kA));
  CHECK_FALSE(f.unchanged(loaded, kB));
}

TEST_CASE("marks: a flush is remembered like any intent", "[marks]") {
  Fixture f;
  f.apply_own({flush(11)});
  const std::uint64_t loaded = f.marks.begin_load().generation;
  f.apply_log({flush(11)}, upto(11));
  CHECK(f.unchanged(loaded, kA));
}

TEST_CASE("marks: where in the log the last flush stands, and that others have no place there",
          "[marks]") {
  Fixture f;
  const std::uint64_t first = f.marks.generation();
  CHECK_FALSE(f.marks.flushed_at(first));  // a restart it was
  f.apply_log({hit(kA, 11)}, upto(11));
  f.apply_unconfirmed({flush()});
  f.apply_own({flush(3)}, kOther);
  CHECK_FALSE(f.marks.flushed_at(first));
  f.apply_log({flush(12), hit(kA, 13)}, upto(13));
  CHECK(f.marks.flushed_at(first) == Position{12});
  const std::uint64_t second = f.marks.generation();
  CHECK_FALSE(f.marks.flushed_at(second));
  f.apply_unconfirmed({flush()});
  f.marks.restart(upto(20));
  CHECK_FALSE(f.marks.flushed_at(second));
  CHECK(f.marks.flushed_at(first) == Position{12});
  f.apply_own({flush(21)});
  CHECK(f.marks.flushed_at(second) == Position{21});
  f.marks.restart(upto(1, kOther));
  CHECK_FALSE(f.marks.flushed_at(second));  // positions of a history that is over
  Marks without_log{1024};
  const MarkUpdate local = flush();
  without_log.apply_unconfirmed({&local, 1});
  CHECK(without_log.flushed_since(0));
  CHECK_FALSE(without_log.flushed_at(0));
}

TEST_CASE("marks: what is in doubt is applied again when the log shows it", "[marks]") {
  // Hard case 3: the transaction becomes visible after a load cached the old row.
  Fixture f;
  const std::uint64_t before = f.marks.generation();
  f.apply_unconfirmed({hit(kA, 11)});
  CHECK_FALSE(f.unchanged(before, kA));
  CHECK(f.marks.remembered() == 0);
  const std::uint64_t loaded = f.marks.begin_load().generation;
  f.apply_log({hit(kA, 11)}, upto(11));
  CHECK_FALSE(f.unchanged(loaded, kA));
}

TEST_CASE("marks: a remembered pair that the cursor comes to cover is forgotten", "[marks]") {
  Fixture f;
  f.apply_own({hit(kA, 11), hit(kB, 14)});
  CHECK(f.marks.remembered() == 2);
  f.apply_log({}, upto(12));
  CHECK(f.marks.remembered() == 1);
  f.apply_log({}, at(Snapshot({13}, {16}, {{14}})));
  CHECK(f.marks.remembered() == 1);
  f.apply_log({}, upto(16));
  CHECK(f.marks.remembered() == 0);
}

TEST_CASE("marks: pages before the last leave the cursor and the memory alone", "[marks]") {
  Fixture f;
  f.apply_own({hit(kB, 12)});
  const std::uint64_t loaded = f.marks.begin_load().generation;
  f.apply_log({hit(kA, 11)}, upto(10));
  CHECK(f.marks.cursor() == upto(10));
  CHECK(f.marks.remembered() == 1);
  CHECK_FALSE(f.unchanged(loaded, kA));
  f.apply_log({hit(kB, 12)}, upto(12));
  CHECK(f.marks.cursor() == upto(12));
  CHECK(f.unchanged(loaded, kB));
}

TEST_CASE("marks: an own commit of another epoch is applied, unpositioned and unremembered",
          "[marks]") {
  Fixture f;
  const std::uint64_t before = f.marks.generation();
  f.apply_own({hit(kA, 5)}, kOther);  // its position would look long covered
  CHECK_FALSE(f.unchanged(before, kA));
  CHECK(f.marks.remembered() == 0);
  CHECK_FALSE(f.accepts(Fixture::shared(11), kA));
  CHECK(f.accepts(Fixture::shared(11), kB));
}

TEST_CASE("marks: a local flush without a position keeps shared values out until the cursor passed",
          "[marks]") {
  // Hard case 18.
  Fixture f;
  f.marks.restart(at(Snapshot({20}, {25}, {{20}})));
  f.apply_unconfirmed({flush()});
  f.apply_log({}, at(Snapshot({20}, {25}, {{20}})));
  CHECK_FALSE(f.accepts(Fixture::shared(25), kA));
  f.apply_log({}, at(Snapshot({25}, {26}, {{25}})));
  CHECK_FALSE(f.accepts({kEpoch, f.marks.begin_load().shared.horizon, {}}, kA));
  f.apply_log({}, at(Snapshot({26}, {27}, {{26}})));
  CHECK(f.accepts({kEpoch, f.marks.begin_load().shared.horizon, {}}, kA));
}

TEST_CASE("marks: the same holds for a single target without a position", "[marks]") {
  Fixture f;
  f.apply_unconfirmed({hit(kA)});
  CHECK_FALSE(f.accepts(Fixture::shared(11), kA));
  CHECK(f.accepts(Fixture::shared(12), kA));
  CHECK(f.accepts(Fixture::shared(11), kB));
}

TEST_CASE("marks: the cursor never goes back", "[marks]") {
  // Hard case 26: two catch-ups return out of order.
  Fixture f;
  f.apply_log({hit(kA, 15)}, upto(20));
  const std::uint64_t generation = f.marks.generation();
  f.apply_log({hit(kB, 12)}, upto(15));
  CHECK(f.marks.cursor() == upto(20));
  CHECK(f.marks.generation() == generation);
  f.apply_log({}, at(Snapshot({18}, {30}, {{18}})));  // its horizon would go back
  CHECK(f.marks.cursor() == upto(20));
  const Cursor running = at(Snapshot({21}, {30}, {{21}}));
  f.apply_log({}, running);
  f.apply_log({}, at(Snapshot({21}, {25}, {{21}})));  // its limit would go back
  CHECK(f.marks.cursor() == running);
}

TEST_CASE("marks: a page of another epoch is ignored", "[marks]") {
  Fixture f;
  const std::uint64_t generation = f.marks.generation();
  f.apply_log({hit(kA, 15)}, upto(20, kOther));
  CHECK(f.marks.generation() == generation);
  CHECK(f.marks.cursor() == upto(10));
}

TEST_CASE("marks: a restart in another epoch forgets positions and kills all entries", "[marks]") {
  Fixture f;
  f.apply_log({hit(kA, 900), flush(800)}, upto(1000));
  f.apply_own({hit(kB, 1001)});
  const Stamp before = f.marks.begin_load();
  const std::uint64_t restarts = f.marks.restarts();
  f.marks.restart(upto(4, kOther));
  CHECK(f.marks.restarts() == restarts + 1);
  CHECK(f.marks.remembered() == 0);
  CHECK(f.marks.floor() == Position{5});
  CHECK_FALSE(f.unchanged(before.generation, kB));
  CHECK_FALSE(f.accepts(before.shared, kB));
  CHECK(f.accepts(Fixture::shared(5, kOther), kA));  // 900 and 800 were another history's
  // A position that the old history had used is news here.
  const std::uint64_t loaded = f.marks.generation();
  f.apply_log({hit(kB, 6)}, upto(6, kOther));
  CHECK_FALSE(f.unchanged(loaded, kB));
}

TEST_CASE("marks: a jump within the epoch keeps positions and lifts the floor", "[marks]") {
  Fixture f;
  f.apply_log({hit(kA, 15)}, upto(15));
  const std::uint64_t before = f.marks.generation();
  f.marks.restart(upto(500));
  CHECK_FALSE(f.unchanged(before, kB));
  CHECK(f.marks.floor() == Position{501});
  CHECK_FALSE(f.accepts(Fixture::shared(500), kB));
  CHECK(f.accepts(Fixture::shared(501), kB));
}

TEST_CASE("marks: they are trusted until the moment that was set, and not before one is",
          "[marks]") {
  Marks marks(64);
  const MonotonicTime now{std::chrono::seconds(100)};
  CHECK_FALSE(marks.trusted(now));
  marks.trust_until(now + std::chrono::seconds(5));
  CHECK(marks.trusted(now));
  CHECK(marks.trusted(now + std::chrono::nanoseconds(4'999'999'999)));
  CHECK_FALSE(marks.trusted(now + std::chrono::seconds(5)));
}

TEST_CASE("marks: the memory of own writes is bounded, and what it does not hold is applied twice",
          "[marks]") {
  Fixture f;
  constexpr std::size_t kRows = 1000;
  for (std::uint64_t write = 0; write < 2 * Marks::kMaxRemembered / kRows; ++write) {
    std::vector<MarkUpdate> rows;  // the log is cut off: the cursor stands still
    for (std::size_t i = 0; i < kRows; ++i)
      rows.push_back(hit(static_cast<TargetId>(i), 11 + write));
    f.apply_own(rows);
  }
  CHECK(f.marks.remembered() == Marks::kMaxRemembered);
  const std::uint64_t before = f.marks.generation();
  const std::uint64_t next = 11 + 2 * Marks::kMaxRemembered / kRows;
  f.apply_own({hit(kA, next)});
  CHECK_FALSE(f.unchanged(before, kA));
  const std::uint64_t loaded = f.marks.generation();
  f.apply_log({hit(kA, next)}, upto(next));
  CHECK_FALSE(f.unchanged(loaded, kA));  // not remembered: a miss, no more
  CHECK(f.marks.remembered() == 0);
}

TEST_CASE("marks: an own write of very many rows is one flush, up to its position", "[marks]") {
  Fixture f;
  const std::uint64_t before = f.marks.generation();
  std::vector<MarkUpdate> rows;
  for (std::size_t i = 0; i <= Marks::kMaxOwnRows; ++i)
    rows.push_back(hit(static_cast<TargetId>(i), 11));
  f.apply_own(rows);
  CHECK_FALSE(f.unchanged(before, entity("unrelated", 1).id()));
  CHECK(f.marks.generation() == before + 1);
  CHECK(f.marks.flushed_at(before) == Position{11});
  CHECK(f.marks.remembered() == 0);
  f.apply_log({}, upto(12));
  CHECK_FALSE(f.accepts(Fixture::shared(11), kA));
  CHECK(f.accepts(Fixture::shared(13), kA));
  const std::uint64_t covered = f.marks.generation();
  f.apply_own(rows);  // the log was faster
  CHECK(f.marks.generation() == covered);
}

TEST_CASE("marks: what a horizon has passed is forgotten, what runs above it is not", "[marks]") {
  Fixture f;
  f.apply_own({hit(kA, 11), hit(kB, 12), flush(13), hit(kA, 14)});
  CHECK(f.marks.remembered() == 4);
  f.apply_log({}, at(Snapshot({12}, {14}, {Position{12}})));
  CHECK(f.marks.remembered() == 2);  // 12 is in progress, 14 yet to come
}
