// One suite over every implementation of the port LogReader.

#include <catch2/catch.hpp>

#include "logs.hpp"
#include "querymark/key/tracked.hpp"

using namespace querymark;
using namespace querymark::test;

TEMPLATE_TEST_CASE("outbox: a consumer sees each row once, in order", "[log]", QUERYMARK_LOGS) {
  TestType log;
  Cursor cursor = log.reader().now();
  const Receipt first =
      log.write(batch({tag("a"), entity("b", 1), collection("c"), key_named("k")}));
  const Receipt second = log.write(batch({flush_all()}));
  const TailPage page = log.reader().read(after(cursor));
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
  CHECK(log.reader().read(after(page.upto)).rows.empty());
}

TEMPLATE_TEST_CASE("outbox: it holds a write by position and write id together", "[log]",
                   QUERYMARK_LOGS) {
  TestType log;
  const Receipt receipt = log.write(batch({tag("a"), tag("b")}));
  CHECK(log.reader().holds(receipt));
  Receipt other = receipt;
  other.write.value ^= 1;  // rolled back, and its position given to another write
  CHECK_FALSE(log.reader().holds(other));
  other = receipt;
  other.epoch = Epoch::random();
  CHECK_FALSE(log.reader().holds(other));
  const Receipt newer = log.write(batch({tag("c")}));  // SQLite keeps the newest row
  log.prune(Position{newer.position.value + 1});
  CHECK_FALSE(log.reader().holds(receipt));
}

TEMPLATE_TEST_CASE("outbox: pages stay inside a fixed pair", "[log]", QUERYMARK_LOGS) {
  TestType log;
  const Cursor cursor = log.reader().now();
  for (int i = 0; i < 10; ++i) log.write(batch({tag("t", i)}));
  TailRequest request = after(cursor);
  request.limit = 4;
  TailPage page = log.reader().read(request);
  REQUIRE(page.rows.size() == 4);
  CHECK(page.more);
  log.write(batch({tag("late")}));  // beyond the pair
  std::size_t seen = page.rows.size();
  request.upto = page.upto;
  while (page.more) {
    request.after = page.rows.back();
    page = log.reader().read(request);
    seen += page.rows.size();
  }
  CHECK(seen == 10);
  CHECK(log.reader().read(after(page.upto)).rows.size() == 1);
}

TEMPLATE_TEST_CASE("outbox: what triggers report is shown to every namespace, target by target",
                   "[log]", QUERYMARK_LOGS) {
  TestType log;
  const Cursor cursor = log.reader().now();
  std::string many = "public:product:id:";
  for (int i = 0; i < 256; ++i)
    many.append(i > 0 ? "," : "").append(std::to_string(10'000'000 + i));
  log.write(batch({tag("a")}));
  log.tracked("rows", "public:product:id:7,8");
  log.tracked("relation", "public:product");
  log.tracked("schema", "schema");
  log.tracked("rows", many);
  log.write(batch({tag("b")}));
  const TailPage all = log.reader().read(after(cursor));
  REQUIRE(all.rows.size() == 1 + 3 + 2 + 1 + 257 + 1);
  CHECK(all.rows[0].target == tag("a"));
  CHECK(all.rows[1].target == any_row_of("public:product"));
  CHECK(all.rows[3].target == row_of("public:product", "id", std::vector<std::string>{"8"}));
  CHECK(all.rows[3].position == all.rows[1].position);
  CHECK(all.rows[5].target == all_rows_of("public:product"));
  CHECK(all.rows[6].target == schema_of_all());
  CHECK(all.rows.back().target == tag("b"));

  TailRequest request = after(cursor);
  request.limit = 2;  // rows of the log, not targets
  TailPage page = log.reader().read(request);
  CHECK(page.rows.size() == 4);
  std::size_t seen = page.rows.size();
  request.upto = page.upto;
  while (page.more) {
    request.after = page.rows.back();
    page = log.reader().read(request);
    seen += page.rows.size();
  }
  CHECK(seen == all.rows.size());
}

TEMPLATE_TEST_CASE("outbox: a malformed row is shown as such, with its neighbours", "[log]",
                   QUERYMARK_LOGS) {
  TestType log;
  const Cursor cursor = log.reader().now();
  log.write(batch({tag("a")}));
  log.malformed();
  log.write(batch({tag("b")}));
  const TailPage page = log.reader().read(after(cursor));
  REQUIRE(page.rows.size() == 3);
  CHECK_FALSE(page.rows[1].target.has_value());
  CHECK(page.rows[2].target == tag("b"));
}

TEMPLATE_TEST_CASE("outbox: a cursor below the floor is told that rows are gone", "[log]",
                   QUERYMARK_LOGS) {
  TestType log;
  const Cursor cursor = log.reader().now();
  log.write(batch({tag("a")}));
  const Receipt kept = log.write(batch({tag("b")}));
  log.prune(kept.position);
  const TailPage page = log.reader().read(after(cursor));
  CHECK(page.status == TailStatus::pruned);
  CHECK(page.upto.snapshot.covers(kept.position));
  const TailPage retained = log.reader().read(after(log.reader().retained()));
  REQUIRE(retained.rows.size() == 1);
  CHECK(retained.rows[0].target == tag("b"));
}

TEMPLATE_TEST_CASE("outbox: a lost history is another epoch", "[log]", QUERYMARK_LOGS) {
  TestType log;
  log.write(batch({tag("a")}));
  const Cursor cursor = log.reader().now();
  log.lose_history();
  const TailPage page = log.reader().read(after(cursor));
  CHECK(page.status == TailStatus::history_changed);
  CHECK(page.upto.epoch != cursor.epoch);
  CHECK(log.reader().read(after(page.upto)).status == TailStatus::ok);
}
