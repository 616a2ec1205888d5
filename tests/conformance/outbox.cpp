// One suite over every implementation of the port Outbox.

#include <catch2/catch.hpp>

#include "support/shop.hpp"
#ifdef QUERYMARK_TEST_POSTGRES
#include "support/pg_shop.hpp"
#endif

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

struct MemoryLog {
  MemoryOutbox outbox_{"shop"};
  Outbox& outbox() { return outbox_; }
  Receipt write(const IntentBatch& intents) { return outbox_.append(intents); }
  void malformed() { outbox_.append_malformed(); }
  void prune(Position floor) { outbox_.prune(floor); }
  void lose_history() { outbox_.replace_history(); }
};

struct SqliteLog {
  Shop shop;
  Process process{shop};
  sqlite::Log log{shop.path(), "shop"};
  Outbox& outbox() { return log; }
  Receipt write(const IntentBatch& intents) {
    return process.db
        .write([&](auto& tx) {
          for (const Target& target : intents.targets()) tx.invalidate(target);
        })
        .receipt;
  }
  void malformed() {
    shop.execute(
        "insert into querymark_log (namespace, kind, target, write_id) values ('shop', 'tag', '%', "
        "3)");
  }
  void prune(Position floor) {
    shop.execute("update querymark_meta set floor = " + std::to_string(floor.value));
    shop.execute("delete from querymark_log where id < " + std::to_string(floor.value));
  }
  void lose_history() {
    shop.execute(
        "begin immediate; delete from querymark_log; "
        "delete from sqlite_sequence where name = 'querymark_log'; commit");
  }
};

#ifdef QUERYMARK_TEST_POSTGRES
struct PostgresLog {
  PgShop shop;
  PgProcess process{shop};
  postgres::Log log{shop.url(), "shop"};
  Outbox& outbox() { return log; }
  Receipt write(const IntentBatch& intents) {
    return process.db
        .write([&](auto& tx) {
          for (const Target& target : intents.targets()) tx.invalidate(target);
        })
        .receipt;
  }
  void malformed() {
    shop.execute(
        "insert into querymark.log (namespace, kind, target, write_id) values ('shop', 'tag', '%', "
        "3)");
  }
  void prune(Position floor) {
    const std::string id = "'" + std::to_string(floor.value) + "'::xid8";
    shop.execute("update querymark.meta set floor = " + id);
    shop.execute("delete from querymark.log where xid < " + id);
  }
  // As a crash does.
  void lose_history() { shop.execute("truncate querymark.incarnation"); }
};
#define QUERYMARK_OUTBOXES MemoryLog, SqliteLog, PostgresLog
#else
#define QUERYMARK_OUTBOXES MemoryLog, SqliteLog
#endif

IntentBatch batch(std::initializer_list<Target> targets) {
  IntentBatch intents;
  for (const Target& target : targets) intents.add(target);
  return intents;
}

TailRequest after(const Cursor& from) {
  return {.from = from, .upto = std::nullopt, .after = std::nullopt, .limit = 1000};
}

}  // namespace

TEMPLATE_TEST_CASE("outbox: a consumer sees each row once, in order", "[outbox]",
                   QUERYMARK_OUTBOXES) {
  TestType log;
  Cursor cursor = log.outbox().now();
  const Receipt first =
      log.write(batch({tag("a"), entity("b", 1), collection("c"), key_named("k")}));
  const Receipt second = log.write(batch({flush_all()}));
  const TailPage page = log.outbox().read(after(cursor));
  REQUIRE(page.status == TailStatus::ok);
  REQUIRE(page.rows.size() == 5);
  CHECK(page.rows[0].target == tag("a"));
  CHECK(page.rows[1].target->kind() == TargetKind::entity);
  CHECK(page.rows[2].target->kind() == TargetKind::collection);
  CHECK(page.rows[3].target == key_named("k"));
  CHECK(page.rows[4].target->is_flush());
  CHECK(page.rows[0].write == first.write);
  CHECK(page.rows[4].write == second.write);
  CHECK(page.rows[3].position == first.position);
  CHECK(page.upto.snapshot.covers(second.position));
  CHECK_FALSE(cursor.snapshot.covers(first.position));
  CHECK(log.outbox().read(after(page.upto)).rows.empty());
}

TEMPLATE_TEST_CASE("outbox: it holds a write by position and write id together", "[outbox]",
                   QUERYMARK_OUTBOXES) {
  TestType log;
  const Receipt receipt = log.write(batch({tag("a"), tag("b")}));
  CHECK(log.outbox().holds(receipt));
  Receipt other = receipt;
  other.write.value ^= 1;  // rolled back, and its position given to another write
  CHECK_FALSE(log.outbox().holds(other));
  other = receipt;
  other.epoch = Epoch::random();
  CHECK_FALSE(log.outbox().holds(other));
  log.prune(Position{receipt.position.value + 1});
  CHECK_FALSE(log.outbox().holds(receipt));
}

TEMPLATE_TEST_CASE("outbox: pages stay inside a fixed pair", "[outbox]", QUERYMARK_OUTBOXES) {
  TestType log;
  const Cursor cursor = log.outbox().now();
  for (int i = 0; i < 10; ++i) log.write(batch({tag("t", i)}));
  TailRequest request = after(cursor);
  request.limit = 4;
  TailPage page = log.outbox().read(request);
  REQUIRE(page.rows.size() == 4);
  CHECK(page.more);
  log.write(batch({tag("late")}));  // beyond the pair
  std::size_t seen = page.rows.size();
  request.upto = page.upto;
  while (page.more) {
    request.after = page.rows.back();
    page = log.outbox().read(request);
    seen += page.rows.size();
  }
  CHECK(seen == 10);
  CHECK(log.outbox().read(after(page.upto)).rows.size() == 1);
}

TEMPLATE_TEST_CASE("outbox: a malformed row is shown as such, with its neighbours", "[outbox]",
                   QUERYMARK_OUTBOXES) {
  TestType log;
  const Cursor cursor = log.outbox().now();
  log.write(batch({tag("a")}));
  log.malformed();
  log.write(batch({tag("b")}));
  const TailPage page = log.outbox().read(after(cursor));
  REQUIRE(page.rows.size() == 3);
  CHECK_FALSE(page.rows[1].target.has_value());
  CHECK(page.rows[2].target == tag("b"));
}

TEMPLATE_TEST_CASE("outbox: a cursor below the floor is told that rows are gone", "[outbox]",
                   QUERYMARK_OUTBOXES) {
  TestType log;
  const Cursor cursor = log.outbox().now();
  log.write(batch({tag("a")}));
  const Receipt kept = log.write(batch({tag("b")}));
  log.prune(kept.position);
  const TailPage page = log.outbox().read(after(cursor));
  CHECK(page.status == TailStatus::pruned);
  CHECK(page.upto.snapshot.covers(kept.position));
  const TailPage retained = log.outbox().read(after(log.outbox().retained()));
  REQUIRE(retained.rows.size() == 1);
  CHECK(retained.rows[0].target == tag("b"));
}

TEMPLATE_TEST_CASE("outbox: a lost history is another epoch", "[outbox]", QUERYMARK_OUTBOXES) {
  TestType log;
  log.write(batch({tag("a")}));
  const Cursor cursor = log.outbox().now();
  log.lose_history();
  const TailPage page = log.outbox().read(after(cursor));
  CHECK(page.status == TailStatus::history_changed);
  CHECK(page.upto.epoch != cursor.epoch);
  CHECK(log.outbox().read(after(page.upto)).status == TailStatus::ok);
}

TEMPLATE_TEST_CASE("outbox: a new consumer starts with a flush, then gets segments", "[outbox]",
                   QUERYMARK_OUTBOXES) {
  TestType log;
  log.write(batch({tag("a")}));
  const ClaimResult first = log.outbox().claim("tier", "me", 30s);
  REQUIRE(first.status == ClaimStatus::claimed);
  CHECK(first.claim.flush_first);
  REQUIRE(log.outbox().advance(first.claim));
  CHECK(log.outbox().claim("tier", "me", 30s).status == ClaimStatus::nothing_new);
  log.write(batch({tag("b"), tag("c")}));
  const ClaimResult second = log.outbox().claim("tier", "me", 30s);
  REQUIRE(second.status == ClaimStatus::claimed);
  CHECK_FALSE(second.claim.flush_first);
  TailRequest request = after(second.claim.from);
  request.upto = second.claim.upto;
  CHECK(log.outbox().read(request).rows.size() == 2);
  CHECK(log.outbox().advance(second.claim));
}

TEMPLATE_TEST_CASE("outbox: a lease keeps others out until it ends or is released", "[outbox]",
                   QUERYMARK_OUTBOXES) {
  TestType log;
  const ClaimResult mine = log.outbox().claim("tier", "me", 30s);
  REQUIRE(mine.status == ClaimStatus::claimed);
  CHECK(log.outbox().claim("tier", "you", 30s).status == ClaimStatus::held_elsewhere);
  CHECK(log.outbox().claim("other tier", "you", 30s).status == ClaimStatus::claimed);
  log.outbox().release("tier", "you");  // not the owner: no effect
  CHECK(log.outbox().claim("tier", "you", 30s).status == ClaimStatus::held_elsewhere);
  log.outbox().release("tier", "me");
  CHECK(log.outbox().claim("tier", "you", 30s).status == ClaimStatus::claimed);
}

TEMPLATE_TEST_CASE("outbox: a fenced owner changes nothing", "[outbox]", QUERYMARK_OUTBOXES) {
  TestType log;
  const ClaimResult late = log.outbox().claim("tier", "late", 0ms);  // its lease has ended at once
  REQUIRE(late.status == ClaimStatus::claimed);
  log.write(batch({tag("a")}));
  const ClaimResult now = log.outbox().claim("tier", "new", 30s);
  REQUIRE(now.status == ClaimStatus::claimed);
  CHECK_FALSE(log.outbox().renew(late.claim, 30s));
  CHECK_FALSE(log.outbox().advance(late.claim));
  CHECK(log.outbox().renew(now.claim, 30s));
  CHECK(log.outbox().advance(now.claim));
}

TEMPLATE_TEST_CASE("outbox: a consumer whose rows were pruned starts with a flush again",
                   "[outbox]", QUERYMARK_OUTBOXES) {
  TestType log;
  log.write(batch({tag("a")}));
  const ClaimResult first = log.outbox().claim("tier", "me", 30s);
  REQUIRE(log.outbox().advance(first.claim));
  log.write(batch({tag("b")}));
  const Receipt kept = log.write(batch({tag("c")}));
  log.prune(kept.position);
  const ClaimResult next = log.outbox().claim("tier", "me", 30s);
  REQUIRE(next.status == ClaimStatus::claimed);
  CHECK(next.claim.flush_first);
}

TEMPLATE_TEST_CASE("outbox: a consumer of another epoch starts with a flush again", "[outbox]",
                   QUERYMARK_OUTBOXES) {
  TestType log;
  log.write(batch({tag("a")}));
  const ClaimResult first = log.outbox().claim("tier", "me", 30s);
  REQUIRE(log.outbox().advance(first.claim));
  log.lose_history();
  const ClaimResult next = log.outbox().claim("tier", "me", 30s);
  REQUIRE(next.status == ClaimStatus::claimed);
  CHECK(next.claim.flush_first);
  CHECK(next.claim.upto.epoch != first.claim.upto.epoch);
}
