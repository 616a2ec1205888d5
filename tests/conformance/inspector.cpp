// What a database shows to operators, on all that have a server or a file.

#include <catch2/catch.hpp>

#include "held.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

#ifdef QUERYMARK_TEST_POSTGRES
#define QUERYMARK_DATABASE_LOGS SqliteLog, PostgresLog
#else
#define QUERYMARK_DATABASE_LOGS SqliteLog
#endif

TEMPLATE_TEST_CASE("inspector: the database tells its history, its schema and the age of its log",
                   "[inspector]", QUERYMARK_DATABASE_LOGS) {
  TestType log;
  const auto inspector = log.log.inspector();
  const DatabaseReport empty = inspector->database();
  CHECK(empty.epoch == log.reader().now().epoch);
  CHECK(empty.database_id.size() == 32);
  CHECK(empty.schema > 2);
  CHECK_FALSE(empty.oldest);
  log.write(batch({tag("a")}));
  const DatabaseReport written = inspector->database();
  REQUIRE(written.oldest);
  CHECK(*written.oldest >= 0ms);
  CHECK(written.now >= empty.now);
}

TEMPLATE_TEST_CASE("inspector: a consumer tells what it has yet to apply, and what did not work",
                   "[inspector]", QUERYMARK_DATABASE_LOGS) {
  Held<TestType> held;
  const auto inspector = held.log.log.inspector();
  const auto report = [&] { return inspector->consumers("shop").at(0); };
  CHECK(inspector->consumers("other").empty());
  CHECK(inspector->consumers("").size() == 1);
  CHECK(report().name == "tier");
  CHECK(report().namespace_name == "shop");
  CHECK(report().owner == "me");
  CHECK(report().current);
  CHECK(report().behind.rows.rows == 1);
  CHECK_FALSE(report().behind.rows.more);
  CHECK(report().behind.lag);
  CHECK(report().attempts == 1);
  CHECK_FALSE(report().down);
  // The same, asked of a cursor.
  CHECK(inspector->behind("shop", held.claim.from, 100).rows.rows == 1);
  CHECK(inspector->behind("other", held.claim.from, 100).rows.rows == 0);
  CHECK_FALSE(inspector->behind("shop", held.claim.upto, 100).lag);
  CHECK(inspector->behind("shop", held.claim.from, 1).rows.more);
  CHECK_FALSE(inspector->behind("shop", held.claim.from, 2).rows.more);

  REQUIRE(held.log.deliveries().forgive(held.claim, "connection \x1b refused"));
  CHECK(report().down);
  CHECK(report().down_reason == "connection \x1b refused");
  REQUIRE(held.leave(tag("a"), DeliveryState::dead));
  CHECK_FALSE(report().down);
  CHECK(report().owes_flush);
  CHECK(report().dead.rows == 1);
  CHECK(report().waiting.rows == 0);
  CHECK(report().behind.rows.rows == 0);
  CHECK_FALSE(report().behind.lag);
  held.log.claims().release("tier", "me");
  CHECK(report().owner.empty());
  held.log.lose_history();
  static_cast<void>(held.again());
  CHECK_FALSE(report().current);
  CHECK(report().behind.rows.rows == 0);
}

TEMPLATE_TEST_CASE("inspector: rows of the log tell why and when, as long as they are there",
                   "[inspector]", QUERYMARK_DATABASE_LOGS) {
  TestType log;
  const Cursor before = log.reader().now();
  log.process.db.write([](auto& tx) { tx.invalidate(tag("a")).reason("price import"); });
  log.write(batch({tag("b")}));
  std::vector<LogRow> rows = log.reader().read(after(before)).rows;
  REQUIRE(rows.size() == 2);
  const auto inspector = log.log.inspector();
  auto details = inspector->details(rows);
  std::ranges::sort(details, {}, &RowDetails::id);
  REQUIRE(details.size() == 2);
  CHECK(details[0].id == rows[0].id);
  CHECK(details[0].reason == "price import");
  CHECK(details[1].reason.empty());
  CHECK(details[0].created_at <= details[1].created_at);
  rows[0].id += 1000;
  rows[0].position.value += 1000;
  CHECK(inspector->details(rows).size() == 1);
  CHECK(inspector->details({}).empty());
}

TEMPLATE_TEST_CASE("inspector: a database that is well gives no warning", "[inspector]",
                   QUERYMARK_DATABASE_LOGS) {
  TestType log;
  for (const Finding& finding : log.log.inspector()->findings(std::chrono::minutes(1))) {
    CAPTURE(finding.what);
    if (finding.what.starts_with("fsync is off")) continue;  // as test servers have it
    CHECK(finding.severity == Finding::Severity::notice);
    CHECK_FALSE(finding.advice.empty());
  }
}
