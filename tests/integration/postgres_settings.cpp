// Session settings of a caller's: for its own transactions, and part of their keys.

#include <catch2/catch.hpp>

#include "querymark/postgres/types.hpp"
#include "support/errors.hpp"
#include "support/pg_shop.hpp"
#include "support/rows.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

constexpr const char* kTenant = "select coalesce(current_setting('app.tenant', true), 'null')";

postgres::Options pinned() {
  postgres::Options options = one_connection();
  options.session.settings = {{"app.tenant", ""}};
  return options;
}

// The answer of a one-row query, past the cache.
std::string text(Queries& db, const std::string& sql) {
  return only(db.query(sql).uncached().fetch_as<std::string>());
}
std::string text(DatabaseSession db, const std::string& sql) {
  return text(static_cast<Queries&>(db), sql);
}

std::string pid(Queries& db) { return text(db, "select pg_backend_pid()::text"); }

// Notes that a tenant sees of its own alone, and the role that the policies are for.
void add_notes(const PgShop& shop) {
  shop.execute(
      "do $$ begin create role tenants login; exception when duplicate_object then null; end $$;"
      "grant querymark_subscriber, querymark_writer to tenants;"
      "create table note (tenant int, text text);"
      "insert into note values (1, 'one'), (2, 'two'), (2, 'more');"
      "alter table note enable row level security;"
      "create policy own on note using (tenant::text = current_setting('app.tenant', true));"
      "grant select, insert on note to tenants");
}

Result notes(Queries& db) {
  return db.query("select text from note order by text").tag(collection("note")).fetch();
}

}  // namespace

TEST_CASE("postgres settings: row-level security by a setting works with one database",
          "[settings]") {
  const PgShop shop;
  add_notes(shop);
  for (const bool pin : {true, false}) {
    postgres::Options options = pin ? pinned() : one_connection();
    options.session.role = "tenants";
    PgProcess process(shop, options);
    DatabaseSession one = process.db.with({{"app.tenant", "1"}});
    DatabaseSession two = process.db.with({{"app.tenant", "2"}});
    CHECK(notes(one).size() == 1);
    CHECK(notes(two).size() == 2);
    CHECK(notes(process.db).empty());
    CHECK(notes(one).outcome().is_hit());
    CHECK(notes(two).outcome().is_hit());
    CHECK(notes(process.db).outcome().is_hit());
    // Another handle of the same settings, however spelled, finds what the first has left.
    DatabaseSession again = process.db.with({{"App.TENANT", "2"}});
    CHECK(notes(again).outcome().is_hit());
    CHECK(notes(again).size() == 2);

    const auto written = two.write([](Transaction& tx) {
      tx.execute("insert into note values (2, 'new')");
      tx.invalidate(collection("note"));
      const ResultSet seen = tx.query("select count(*) from note");
      return seen.row(0)[0].as<int>();
    });
    CHECK(written.value == 3);
    CHECK_FALSE(notes(one).outcome().is_hit());  // the intent names no tenant: it reaches all
    CHECK(notes(two).size() == 3);
    CHECK_THAT(message_of([&] {
                 static_cast<void>(two.write([](Transaction& tx) {
                   tx.execute("insert into note values (1, 'of another')");
                 }));
               }),
               Contains("row-level security"));
    shop.execute("delete from note where text = 'new'");
  }
}

TEST_CASE("postgres settings: they end with their transaction, also where it fails", "[settings]") {
  const PgShop shop;
  PgProcess process(shop, pinned());
  const std::string before = pid(process.db);
  const DatabaseSession tenant = process.db.with({{"app.tenant", "7"}});
  CHECK(text(tenant, kTenant) == "7");
  CHECK(text(process.db, kTenant).empty());
  CHECK_THROWS_AS(text(tenant, "select (1 / 0)::text"), Error);
  CHECK(text(process.db, kTenant).empty());
  CHECK_THROWS_AS(tenant.write([](Transaction& tx) { tx.execute("select 1 / 0"); }), Error);
  CHECK(text(process.db, kTenant).empty());
  static_cast<void>(tenant.write([](Transaction& tx) {
    const ResultSet seen = tx.query(kTenant);
    CHECK(seen.row(0)[0].view() == "7");
  }));
  CHECK(text(process.db, kTenant).empty());
  CHECK(pid(process.db) == before);  // one that is pinned costs no connection
}

TEST_CASE("postgres settings: a connection that can't forget one is not used again", "[settings]") {
  const PgShop shop;
  PgProcess process(shop, one_connection());
  const DatabaseSession tenant = process.db.with({{"app.tenant", "7"}});
  std::string before = pid(process.db);
  CHECK(text(tenant, kTenant) == "7");
  CHECK(text(process.db, kTenant) == "null");
  CHECK(pid(process.db) != before);
  before = pid(process.db);
  CHECK_THROWS_AS(text(tenant, "select (1 / 0)::text"), Error);
  CHECK(text(process.db, kTenant) == "null");
  CHECK(pid(process.db) != before);
  before = pid(process.db);
  static_cast<void>(tenant.write([](Transaction& tx) { tx.execute("select 1"); }));
  CHECK(text(process.db, kTenant) == "null");
  CHECK(pid(process.db) != before);
}

TEST_CASE("postgres settings: a load that finds its settings changed at the end is not kept",
          "[settings]") {
  const PgShop shop;
  shop.execute(
      "create function slip() returns text language plpgsql as $$ begin "
      "perform set_config('app' || '.tenant', '2', true); return current_setting('app.tenant'); "
      "end $$");
  for (const postgres::Options& options : {pinned(), one_connection()}) {
    PgProcess process(shop, options);
    DatabaseSession tenant = process.db.with({{"app.tenant", "1"}});
    const Result slipped = tenant.query("select slip()").fetch();
    CHECK(slipped[0][0].view() == "2");
    CHECK(slipped.outcome().stored == Stored::uncacheable);
    CHECK(text(tenant, kTenant) == "1");
  }
}

TEST_CASE("postgres settings: values travel as they are", "[settings]") {
  const PgShop shop;
  PgProcess process(shop, pinned());
  for (const std::string& value :
       std::vector<std::string>{"", "'", "'; drop table product; --", "\\", "\\'", "$1", "a\nb",
                                "%s", "\"", "Grüße 🫖", std::string(60'000, 'x')}) {
    const DatabaseSession tenant = process.db.with({{"app.tenant", value}});
    CHECK(text(tenant, kTenant) == value);
    static_cast<void>(tenant.write([&](Transaction& tx) {
      const ResultSet seen = tx.query(kTenant);
      CHECK(seen.row(0)[0].view() == value);
    }));
  }
  CHECK(shop.number("select count(*) from product") == 3);
  // Two that read alike when they are run together.
  CHECK(key_of(SessionSettings{{"a.b", "1"}, {"c.d", "2"}}) !=
        key_of(SessionSettings{{"a.b", "11:c.d"}, {"c.d", "2"}}));
}

TEST_CASE("postgres settings: what can't be set like this is refused by name", "[settings]") {
  using namespace std::string_literals;
  const PgShop shop;
  PgProcess process(shop, pinned());
  for (const std::string& name : std::vector<std::string>{"role",
                                                          "session_authorization",
                                                          "search_path",
                                                          "TimeZone",
                                                          "bytea_output",
                                                          "transaction_read_only",
                                                          "",
                                                          ".",
                                                          "app",
                                                          "app.",
                                                          ".tenant",
                                                          "app..tenant",
                                                          "1app.x",
                                                          "app.te nant",
                                                          "app.x; drop table product",
                                                          "app.x'",
                                                          "app.\"x\"",
                                                          "app.x\0y"s,
                                                          "app.größe",
                                                          "app.\xff"s}) {
    INFO(name);
    CHECK_THROWS_AS(process.db.with({{name, "1"}}), ConfigError);
    CHECK_THROWS_AS(
        process.db.write([](Transaction&) {}, {.settings = SessionSettings{{name, "1"}}}),
        ConfigError);
  }
  CHECK_THAT(message_of([&] { static_cast<void>(process.db.with({{"role", "postgres"}})); }),
             Contains("\"role\"") && Contains("Options::session"));
  CHECK_THROWS_AS(process.db.with({{"app.tenant", "a\0b"s}}), ConfigError);
  CHECK_THROWS_AS(process.db.with({{"app.tenant", "\xff"}}), ConfigError);
  CHECK_THROWS_AS(process.db.with({{"app.tenant", std::string(70'000, 'x')}}), ConfigError);
  CHECK_THROWS_AS(process.db.with({{"app.tenant", "1"}, {"APP.tenant", "2"}}), ConfigError);
  // What only the server knows, the load tells, and the session is as before. (It knows the prefix
  // from the language's first use on.)
  shop.execute(
      "create function one() returns text language plpgsql as $$ begin return 'one'; end $$");
  CHECK(text(process.db, "select one()") == "one");
  const DatabaseSession reserved = process.db.with({{"plpgsql.no_such_setting", "1"}});
  CHECK_THAT(message_of([&] { static_cast<void>(text(reserved, kTenant)); }),
             Contains("plpgsql.no_such_setting"));
  CHECK(text(process.db, kTenant).empty());
}

TEST_CASE("postgres settings: none is the database itself", "[settings]") {
  const PgShop shop;
  PgProcess process(shop, pinned());
  static_cast<void>(process.price(1));
  DatabaseSession plain = process.db.with({});
  const Result price = plain.query("select price from product where id = $1", 1).fetch();
  CHECK(price.size() == 1);
  static_cast<void>(process.db.query("select 1").fetch());
  CHECK(plain.query("select 1").fetch().outcome().is_hit());
}

TEST_CASE("postgres settings: prepared queries and named values keep tenants apart, too",
          "[settings]") {
  const PgShop shop;
  PgProcess process(shop, pinned());
  const auto prepared = [&](const char* tenant) {
    return process.db.with({{"app.tenant", tenant}}).prepare<std::string>(kTenant);
  };
  const auto one = prepared("1");  // outlives its handle
  const auto two = prepared("2");
  CHECK(only(one()) == "1");
  CHECK(only(two()) == "2");
  CHECK(only(one()) == "1");
  CHECK(one().outcome().is_hit());
  CHECK(one.key() == two.key());  // one intent reaches both

  const auto named = [&](const char* tenant) {
    DatabaseSession session = process.db.with({{"app.tenant", tenant}});
    const Cached<std::string> value =
        session.get_or_load<std::string>("menu", {}, [&] { return std::string(tenant); });
    return *value;
  };
  CHECK(named("1") == "1");
  CHECK(named("2") == "2");
  CHECK(named("1") == "1");
}

TEST_CASE("postgres settings: a write of one's own options may have them", "[settings]") {
  const PgShop shop;
  PgProcess process(shop, pinned());
  const auto seen = process.db.write(
      [](Transaction& tx) {
        const ResultSet now = tx.query(kTenant);
        return now.row(0)[0].as<std::string>();
      },
      {.isolation = postgres::Isolation::serializable, .settings = {{"app.tenant", "9"}}});
  CHECK(seen.value == "9");
  CHECK(text(process.db, kTenant).empty());
}
