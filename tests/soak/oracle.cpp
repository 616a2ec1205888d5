// What a soak's verdicts rest on.

#include <catch2/catch.hpp>

#include "soak/judge.hpp"
#include "support/temp_dir.hpp"

using namespace querymark::test;
using namespace querymark::test::soak;
using namespace std::chrono_literals;

namespace {

struct Court {
  TempDir dir;
  Ledger ledger = Ledger::create(dir.file("ledger"));
  Floors own;
  Judge judge{ledger, own, 1000ms};
  Tally& tally = ledger.tally("reads");

  // A read that saw `seen`, and began so much later than now.
  void read(Sees sees, std::int64_t seen, std::chrono::milliseconds later = 0ms) {
    Due due = judge.row(sees, Table::item, 7);
    due.began += later;
    judge.judge(tally, due, seen, {});
  }
};

}  // namespace

TEST_CASE("soak: a read is stale that sees less than what it was due") {
  Court court;
  court.ledger.acknowledge(Table::item, 7, 5);
  court.ledger.acknowledge(Table::item, 7, 4);  // told of late
  court.read(Sees::all, 5);
  court.read(Sees::own, 4);  // another process wrote, just now
  CHECK(court.tally.stale == 0);
  court.read(Sees::all, 4);
  CHECK(court.tally.stale == 1);
  court.own.raise(Table::item, 7, 4);
  court.read(Sees::own, 3);
  CHECK(court.tally.stale == 2);
  court.ledger.spread(Table::item, 7, 5);
  court.read(Sees::own, 4);
  CHECK(court.tally.stale == 3);
  CHECK(court.tally.done == 5);
  CHECK(court.ledger.findings() == 3);
  CHECK(court.ledger.first_findings().front().starts_with("STALE reads: item row 7, process "));
}

TEST_CASE("soak: what was acknowledged while a read ran is not held against it") {
  Court court;
  court.ledger.acknowledge(Table::item, 7, 1);
  const Due due = court.judge.row(Sees::all, Table::item, 7);
  court.ledger.acknowledge(Table::item, 7, 2);
  court.judge.judge(court.tally, due, 1, {});
  CHECK(court.ledger.findings() == 0);
}

TEST_CASE("soak: a sum is due what its rows are") {
  Court court;
  court.ledger.acknowledge(Table::item, 7, 3);
  court.ledger.acknowledge(Table::item, 7 - kGroups + 2 * kGroups, 4);
  court.ledger.acknowledge(Table::item, 6, 100);
  court.ledger.acknowledge(Table::auto_item, 7, 100);
  const Due due = court.judge.group(Sees::all, Table::item, group_of(7));
  CHECK(due.floor == 7);
  court.judge.judge(court.tally, due, 7, {});
  CHECK(court.tally.stale == 0);
  court.judge.judge(court.tally, due, 6, {});
  CHECK(court.tally.stale == 1);
}

TEST_CASE("soak: a read is late that began long after what it saw was overtaken") {
  Court court;
  court.ledger.acknowledge(Table::item, 7, 4);
  court.read(Sees::own, 4, 1h);
  court.read(Sees::own, 3, 1000ms);
  CHECK(court.tally.late == 0);
  court.read(Sees::own, 3, 2s);
  CHECK(court.tally.late == 1);
  // The next version may have been of a commit in doubt, which nobody acknowledges.
  court.read(Sees::own, 1, 2s);
  CHECK(court.tally.late == 2);
}

TEST_CASE("soak: of a version whose time is not known any more nothing is said") {
  Court court;
  for (std::int64_t version = 1; version <= 3000; ++version)
    court.ledger.acknowledge(Table::item, 7, version);
  CHECK_FALSE(court.ledger.passed(Table::item, 7, 1000).has_value());
  CHECK(court.ledger.passed(Table::item, 7, 2999).has_value());
  CHECK_FALSE(court.ledger.passed(Table::item, 7, 3000).has_value());
}

TEST_CASE("soak: a ledger is one for all who open it") {
  Court court;
  Ledger other(court.dir.file("ledger"));
  other.acknowledge(Table::auto_item, 3, 9);
  CHECK(court.ledger.acknowledged().of(Table::auto_item, 3) == 9);
  CHECK_FALSE(court.ledger.left(5).has_value());
  other.leave(5, {.receipt = "a receipt", .id = 3, .version = 9});
  other.leave(5, {.receipt = "another", .id = 4, .version = 8});
  CHECK(court.ledger.left(5)->receipt == "another");
  CHECK(court.ledger.left(5)->version == 8);
  ++other.tally("reads").failed;
  CHECK(court.tally.failed == 1);
  other.end();
  CHECK(court.ledger.over());
}
