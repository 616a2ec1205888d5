// What may go of a log in PostgreSQL: held transactions, deletions by hand, two pruners, a million rows.

#include <catch2/catch.hpp>
#include <pqxx/nontransaction>
#include <pqxx/result>
#include <pqxx/transaction>

#include "postgres_sql.hpp"
#include "querymark/log/pruner.hpp"
#include "support/pg_shop.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

struct Fixture {
  PgShop shop;
  postgres::Log log{shop.url(), "shop"};
  std::unique_ptr<Subscribers> subscribers = log.subscribers();
  std::unique_ptr<Pruning> table = log.pruning();

  void intent(const std::string& target) const {
    shop.execute("select querymark.invalidate('shop', 'tag', '" + target + "')");
  }
  [[nodiscard]] TailPage read(const Cursor& from) {
    return log.read({.from = from, .upto = std::nullopt, .after = std::nullopt, .limit = 1000});
  }
  /// As if a retention had gone by since now.
  PruneRound prune() {
    REQUIRE(table->record_snapshot(0ms, 1h));
    shop.execute("update querymark.snapshot set recorded_at = recorded_at - interval '2 hours'");
    return Pruner(*table, *subscribers, {.retention = 1h}).run_once();
  }
};

// A transaction with an id and an intent, on a connection of its own.
struct Held {
  pqxx::connection connection;
  pqxx::work work;
  Held(const PgShop& shop, const std::string& target) : connection(shop.url()), work(connection) {
    work.exec("select querymark.invalidate('shop', 'tag', '" + target + "')");
  }
};

std::vector<std::string> targets(const TailPage& page) {
  std::vector<std::string> found;
  for (const LogRow& row : page.rows) found.emplace_back(row.target ? row.target->text() : "?");
  return found;
}

}  // namespace

TEST_CASE(
    "postgres pruning: a transaction that stays open holds no row but its own, and nobody flushes "
    "for it (hard cases 19, 54, 55)",
    "[pruning]") {
  Fixture f;
  f.intent("before");
  Held held(f.shop, "late");
  f.intent("above");
  f.intent("above too");
  const Cursor at = f.log.now();
  CHECK(f.prune().removed == 3);
  CHECK(f.shop.number("select count(*) from querymark.log") == 0);
  // At each look.
  Cursor cursor = at;
  for (int i = 0; i < 3; ++i) {
    const TailPage page = f.read(cursor);
    CHECK(page.status == TailStatus::ok);
    cursor = page.upto;
  }
  const Cursor retained = f.log.retained();
  held.work.commit();
  CHECK(targets(f.read(cursor)) == std::vector<std::string>{"late"});
  CHECK(targets(f.read(retained)) == std::vector<std::string>{"late"});
  // It is found again when it may go, too, though rows above it went long ago.
  f.intent("last");
  CHECK(f.prune().removed == 2);
}

TEST_CASE("postgres pruning: rows deleted by hand let those start anew that have not read them",
          "[pruning]") {
  Fixture f;
  Held held(f.shop, "late");
  const Cursor before = f.log.now();
  f.intent("gone");
  const Cursor middle = f.log.now();
  f.intent("kept");
  f.shop.execute("delete from querymark.log where target = 'gone'");
  CHECK(f.read(before).status == TailStatus::pruned);
  CHECK(f.read(middle).status == TailStatus::ok);
  CHECK(targets(f.read(middle)) == std::vector<std::string>{"kept"});
  held.work.commit();
  CHECK(targets(f.read(middle)) == std::vector<std::string>{"late", "kept"});
  f.shop.execute("truncate querymark.log");
  CHECK(f.read(middle).status == TailStatus::pruned);
  CHECK(f.read(f.log.now()).status == TailStatus::ok);
  CHECK_THROWS(f.shop.execute(
      "begin isolation level repeatable read; select 1; truncate querymark.log; commit"));
}

TEST_CASE("postgres pruning: one removes at a time, however many ask, and nobody waits for another",
          "[pruning]") {
  Fixture f;
  for (int i = 0; i < 5; ++i) f.intent("t" + std::to_string(i));
  const Cursor now = f.log.now();
  REQUIRE(f.table->allow(now.epoch, now.snapshot));
  pqxx::connection other(f.shop.url());
  {
    pqxx::work work(other);
    const auto row = work.exec(
        "with p as materialized (select 1 from querymark.meta where id = 1 for no key update) "
        "select "
        "* from p");
    const Removed busy = f.table->remove(100);
    CHECK(busy.busy);
    CHECK(busy.rows == 0);
  }
  const Removed removed = f.table->remove(2);
  CHECK_FALSE(removed.busy);
  CHECK(removed.rows == 2);
  CHECK(removed.more);
  CHECK(f.table->remove(100).rows == 3);
}

TEST_CASE(
    "postgres pruning: a million rows: nothing is scanned, the next chunk begins where the last "
    "ended, also while an old snapshot is held",
    "[pruning]") {
  Fixture f;
  // Rows of three a transaction, all of them ended, and 1,000 that stay.
  const std::int64_t limit =
      f.shop.number("select pg_snapshot_xmax(pg_current_snapshot())::text::bigint");
  // The server has given out the ids that the rows bear.
  f.shop.execute(
      "do $$ begin for i in 1 .. 2000 loop perform pg_current_xact_id(); commit; end loop; end $$");
  f.shop.execute("insert into querymark.log (xid, namespace, kind, target) select (" +
                 std::to_string(limit) +
                 " + i / 500)::text::xid8, 'shop', 'tag', 't' from generate_series(0, 999999) i; "
                 "analyze querymark.log");
  REQUIRE(f.shop.number("select count(*) from querymark.log where xid >= "
                        "pg_snapshot_xmax(pg_current_snapshot())") == 0);
  pqxx::connection keeper(f.shop.url());
  pqxx::work snapshot(keeper);
  snapshot.exec("set transaction isolation level repeatable read");
  snapshot.exec("select count(*) from querymark.schema");
  f.shop.execute("update querymark.meta set pruned = (('" + std::to_string(limit + 1998) + ":" +
                 std::to_string(limit + 1998) + ":'))::pg_snapshot");
  CHECK(f.table->remove(5000).rows == 5000);
  CHECK(f.table->remove(5000).rows == 5000);
  pqxx::connection connection(f.shop.url());
  pqxx::nontransaction plain(connection);
  plain.exec("set search_path = pg_catalog, pg_temp");
  plain.exec(postgres::sql::pin_log_session.text);
  const auto plan = [&](const SqlStatement& statement, const std::string& types,
                        const std::string& arguments) {
    plain.exec("begin");
    plain.exec(std::string("prepare s ") + types + " as " + std::string(statement.text));
    std::string text;
    std::int64_t read = 0;
    bool in_log = false;
    for (const auto& row :
         plain.exec("explain (analyze, buffers, costs off, timing off, summary off) execute s " +
                    arguments)) {
      const std::string line = row[0].c_str();
      text += line + '\n';
      const auto count_after = [&](std::string_view what) -> std::int64_t {
        const std::size_t at = line.find(what);
        return at == std::string::npos ? 0 : std::atoll(line.c_str() + at + what.size());
      };
      if (line.find("->") != std::string::npos) {
        in_log = line.find("Scan") != std::string::npos && line.find("on log") != std::string::npos;
        if (in_log) read += count_after("rows=");
      }
      if (in_log) read += count_after("Rows Removed by Filter: ");
    }
    plain.exec("rollback");
    plain.exec("deallocate s");
    return std::pair(text, read);
  };
  {
    const auto [text, read] = plan(postgres::sql::prune_remove, "(bigint)", "(5000)");
    CAPTURE(text);
    CHECK_THAT(text, !Catch::Contains("Seq Scan on log"));
    CHECK(read <= 2 * 5000);
    CHECK(read >= 5000);
  }
  {
    const auto [text, read] = plan(postgres::sql::prune_extent, "", "");
    CAPTURE(text);
    CHECK_THAT(text, !Catch::Contains("Seq Scan on log"));
    CHECK(read <= 3);
  }
  const LogExtent extent = f.table->extent();
  CHECK(extent.rows >= 1000);
  CHECK(extent.rows <= 1100);
  CHECK(extent.leftover >= 980'000);
  CHECK(extent.leftover <= 1'000'000);
  CHECK(f.shop.number("select count(*) from querymark.log") == 990'000);
}

TEST_CASE("postgres pruning: the recorded snapshots of a clock that was put back are forgotten",
          "[pruning]") {
  Fixture f;
  CHECK(f.table->record_snapshot(1min, 1h));
  f.shop.execute("update querymark.snapshot set recorded_at = recorded_at + interval '1 day'");
  CHECK(f.table->record_snapshot(1min, 1h));
  CHECK(f.table->extent().recorded.size() == 1);
  f.shop.execute("update querymark.snapshot set recorded_at = recorded_at - interval '3 hours'");
  CHECK(f.table->record_snapshot(1min, 1h));
  f.shop.execute("update querymark.snapshot set recorded_at = recorded_at - interval '2 hours'");
  CHECK(f.table->record_snapshot(1min, 1h));
  // The oldest is needed no more: a newer one is old enough.
  CHECK(f.table->extent().recorded.size() == 2);
}

TEST_CASE("postgres pruning: who holds the horizon is named", "[pruning]") {
  Fixture f;
  Held held(f.shop, "late");
  const auto holder = f.table->horizon_holder();
  REQUIRE(holder);
  // Other tests' servers are shared: it is this transaction or an older one.
  CHECK(holder->what == "transaction");
  CHECK(holder->pid > 0);
  CHECK(holder->age.value_or(-1ms) >= 0ms);
  CHECK_FALSE(holder->state.empty());
}

TEST_CASE(
    "postgres pruning: the worker's role may prune, and a subscriber's may enter and not prune",
    "[pruning]") {
  Fixture f;
  const PgShop& shop = f.shop;
  shop.execute(
      "do $$ begin create role pruner login in role querymark_worker; exception when "
      "duplicate_object then null; end $$;"
      "do $$ begin create role follower login in role querymark_subscriber; exception when "
      "duplicate_object then null; end $$");
  f.intent("a");
  {
    postgres::Log log(shop.server().url(shop.name(), "pruner"), "shop");
    const auto table = log.pruning();
    const auto subscribers = log.subscribers();
    CHECK(Pruner(*table, *subscribers, {.retention = 0s}).run_once().removed == 1);
    static_cast<void>(table->horizon_holder());
  }
  f.intent("b");
  postgres::Log log(shop.server().url(shop.name(), "follower"), "shop");
  const auto subscribers = log.subscribers();
  const SubscriberEntry entry = SubscriberEntry::of_process(10s);
  subscribers->enter(entry);
  CHECK(subscribers->beat(entry.id, log.now()).known);
  CHECK(subscribers->subscribers().size() >= 1);
  const auto table = log.pruning();
  CHECK_THROWS_AS(table->allow(log.now().epoch, log.now().snapshot), Error);
}
