// A look at a log to which nothing has been added asks for the server's snapshot alone; whatever has
// happened since, the next look shows it.

#include <catch2/catch.hpp>
#include <pqxx/nontransaction>
#include <pqxx/transaction>

#include "postgres_sql.hpp"
#include "support/pg_shop.hpp"

using namespace querymark;
using namespace querymark::test;

namespace {

struct Fixture {
  PgShop shop;
  postgres::Log log{shop.url(), "shop"};
  Cursor at = log.now();

  Fixture() { settle(); }
  TailPage read(bool rung = false) {
    TailPage page = log.read({.from = at,
                              .upto = std::nullopt,
                              .after = std::nullopt,
                              .limit = 100,
                              .rung = rung,
                              .beat = std::nullopt});
    at = page.upto;
    return page;
  }
  /// Until a glance is enough.
  void settle() {
    for (int i = 0; i < 4; ++i) static_cast<void>(read());
    REQUIRE(glanced());
  }
  /// The last statement was no more.
  [[nodiscard]] bool glanced() const {
    return shop.text("select query from pg_stat_activity where pid = " +
                     std::to_string(log.backend_pid())) == postgres::sql::log_glance.text;
  }
};

}  // namespace

TEST_CASE("postgres glance: a log to which nothing is added is not read", "[glance]") {
  Fixture f;
  const Cursor before = f.at;
  const Position floor = f.log.retained().snapshot.limit();
  f.settle();
  const TailPage page = f.read();
  CHECK(f.glanced());
  CHECK(page.status == TailStatus::ok);
  CHECK(page.rows.empty());
  CHECK(page.floor == floor);
  CHECK(page.upto == before);
  // Who has rung for something, or stands elsewhere, is not told that there is nothing.
  static_cast<void>(f.read(true));
  CHECK_FALSE(f.glanced());
  f.settle();
  f.at.snapshot = Snapshot(before.snapshot.limit(), {before.snapshot.limit().value + 1},
                           {before.snapshot.limit()});
  static_cast<void>(f.read());
  CHECK_FALSE(f.glanced());
}

TEST_CASE("postgres glance: what is committed, however late, is shown by the next look",
          "[glance]") {
  Fixture f;
  pqxx::connection other(f.shop.url());
  pqxx::work late(other);
  late.exec("savepoint a");
  late.exec("select querymark.invalidate('shop', 'tag', 'late')");
  f.settle();
  f.shop.execute("select querymark.invalidate('shop', 'tag', 'soon')");
  TailPage page = f.read();
  REQUIRE(page.rows.size() == 1);
  CHECK(page.rows[0].target == tag("soon"));
  f.settle();
  late.commit();
  page = f.read();
  REQUIRE(page.rows.size() == 1);
  CHECK(page.rows[0].target == tag("late"));
  f.settle();
  f.shop.execute("create table something_else ()");
  CHECK(f.read().rows.empty());
  CHECK_FALSE(f.glanced());
}

TEST_CASE("postgres glance: another history, and what is gone from the log, are noticed at once",
          "[glance]") {
  Fixture f;
  const Cursor start = f.at;
  f.shop.execute("select querymark.invalidate('shop', 'tag', 'gone')");
  f.at = start;
  f.shop.execute("delete from querymark.log");
  CHECK(f.read().status == TailStatus::pruned);
  f.settle();
  f.shop.execute("update querymark.meta set epoch = repeat('a', 32)");
  CHECK(f.read().status == TailStatus::history_changed);
  f.settle();
  f.shop.execute("truncate querymark.incarnation");
  CHECK(f.read().status == TailStatus::history_changed);
  f.settle();
  // Nor does a new connection take the old one's word.
  f.shop.execute("select pg_terminate_backend(" + std::to_string(f.log.backend_pid()) + ")");
  CHECK_THROWS_AS(f.read(), Error);
  CHECK(f.read().status == TailStatus::ok);
  CHECK_FALSE(f.glanced());
}
