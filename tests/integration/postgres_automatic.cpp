// Automatic tags where PostgreSQL makes it hard: replication, functions under writers, policies, paths.

#include <atomic>
#include <catch2/catch.hpp>
#include <cmath>
#include <memory>
#include <pqxx/nontransaction>
#include <pqxx/result>
#include <pqxx/transaction>
#include <string>
#include <thread>
#include <vector>

#include "connection.hpp"
#include "postgres_sql.hpp"
#include "querymark/postgres/track.hpp"
#include "querymark/tier/shared_tier.hpp"
#include "support/await.hpp"
#include "support/errors.hpp"
#include "support/pg_shop.hpp"
#include "support/rows.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

constexpr const char* kPrice = "select price from product where id = $1";

postgres::Options automatic() {
  postgres::Options options = PgProcess::quick();
  options.tags = Tags::automatic;
  return options;
}

void track(const PgShop& shop, const TrackOptions& options) {
  static_cast<void>(postgres::track(shop.url(), options));
}

auto price_of(PgProcess& process) { return process.db.prepare<double>(kPrice).ttl(1h); }

// Another program's transaction that has written, and is open.
struct OpenWrite {
  OpenWrite(const PgShop& shop, const std::string& sql) : connection(shop.url()), work(connection) {
    work.exec(sql);
  }
  pqxx::connection connection;
  pqxx::work work;
};

// To what becomes of its products there; returns once it goes on.
void subscribe(const PgShop& shop, const PgShop& source) {
  source.execute("create publication goods for table product");
  source.execute("select pg_create_logical_replication_slot('goods', 'pgoutput')");
  shop.execute("create subscription goods connection '" + source.url() +
               "' publication goods with (create_slot = false, slot_name = 'goods')");
  shop.await("select count(*) = 1 from pg_subscription_rel where srsubstate = 'r'");
}

std::string logged(const PgShop& shop) {
  return shop.text(
      "select coalesce(string_agg(kind || ' ' || target, ', ' order by id), '') from querymark.log "
      "where namespace = '*' and kind <> 'schema'");
}

}  // namespace

TEST_CASE("postgres automatic: what logical replication applies reaches who reads it (case 5)",
          "[automatic]") {
  PostgresServer server(
      {"wal_level=logical", "max_logical_replication_workers=10", "max_worker_processes=20"});
  const PgShop source(server);
  const PgShop shop(server);
  shop.execute("truncate product");
  track(shop, {.tables = {"product"}, .row_level = true});
  PgProcess process(shop, automatic());
  const auto price = price_of(process);
  const auto count = process.db.prepare<std::int64_t>("select count(*) from product").ttl(1h);
  CHECK(count.fetch_one() == 0);
  CHECK(price(std::int64_t{1}).empty());
  REQUIRE(count().outcome().is_hit());
  REQUIRE(price(std::int64_t{1}).outcome().is_hit());

  // Within one server the slot has to be there before.
  subscribe(shop, source);
  process.db.catch_up();
  CHECK(count.fetch_one() == source.number("select count(*) from product"));  // the initial copy
  CHECK(price.fetch_one(std::int64_t{1}) == 2.5);
  static_cast<void>(price(std::int64_t{2}));

  source.execute("update product set price = 77 where id = 1");
  shop.await("select price = 77 from product where id = 1");
  process.db.catch_up();
  CHECK(price.fetch_one(std::int64_t{1}) == 77);
  CHECK(price(std::int64_t{2}).outcome().is_hit());
  source.execute("delete from product where id = 2");
  shop.await("select count(*) = 0 from product where id = 2");
  process.db.catch_up();
  CHECK(price(std::int64_t{2}).empty());
  CHECK(price(std::int64_t{1}).outcome().is_hit());
  source.execute("truncate product");
  shop.await("select count(*) = 0 from product");
  process.db.catch_up();
  CHECK(price(std::int64_t{1}).empty());
  CHECK(count.fetch_one() == 0);
}

TEST_CASE(
    "postgres automatic: a table that is subscribed reports by rows without being told (case 5)",
    "[automatic]") {
  PostgresServer server({"wal_level=logical"});
  const PgShop source(server);
  const PgShop shop(server);
  shop.execute("truncate product");
  subscribe(shop, source);
  track(shop, {.tables = {"product"}});
  PgProcess process(shop, automatic());
  const auto price = price_of(process);
  CHECK(price.fetch_one(std::int64_t{1}) == 2.5);
  source.execute("update product set price = 77 where id = 1");
  shop.await("select price = 77 from product where id = 1");
  process.db.catch_up();
  CHECK(price.fetch_one(std::int64_t{1}) == 77);
}

TEST_CASE("postgres automatic: a table that is subscribed once it is tracked is no longer kept",
          "[automatic]") {
  PostgresServer server({"wal_level=logical"});
  const PgShop source(server);
  const PgShop shop(server);
  shop.execute("truncate product");
  track(shop, {.tables = {"product"}});
  PgProcess process(shop, automatic());
  const auto price = price_of(process);
  static_cast<void>(price(std::int64_t{1}));
  REQUIRE(price(std::int64_t{1}).outcome().is_hit());
  subscribe(shop, source);
  process.db.catch_up();
  CHECK(price.fetch_one(std::int64_t{1}) == 2.5);
  CHECK_THAT(std::string(price(std::int64_t{1}).outcome().why()), Contains("subscription"));
  source.execute("update product set price = 77 where id = 1");
  shop.await("select price = 77 from product where id = 1");
  process.db.catch_up();
  CHECK(price.fetch_one(std::int64_t{1}) == 77);

  track(shop, {.tables = {"product"}});  // which sees the subscription
  process.db.catch_up();
  static_cast<void>(price(std::int64_t{1}));
  CHECK(price(std::int64_t{1}).outcome().is_hit());
  source.execute("update product set price = 78 where id = 1");
  shop.await("select price = 78 from product where id = 1");
  process.db.catch_up();
  CHECK(price.fetch_one(std::int64_t{1}) == 78);
}

TEST_CASE("postgres automatic: a value of an enumeration is renamed when its writers have ended",
          "[automatic]") {
  const PgShop shop;
  shop.execute(
      "create type mood as enum ('sad', 'happy'); create domain felt as mood;"
      "alter table product add mood felt default 'sad'");
  track(shop, {.tables = {"product"}, .routes = {{"mood"}}});
  PgProcess process(shop, automatic());
  const std::string sql = "select sum(price) from product where mood::mood = 'blue'";
  const auto sum = process.db.prepare<double>(sql).ttl(1h);
  OpenWrite writer(shop, "update product set price = 100 where id = 1");
  shop.execute("alter type mood add value 'cross'");  // waits for nobody
  std::thread renamer([&] { shop.execute("alter type mood rename value 'sad' to 'blue'"); });
  shop.await(
      "select count(*) = 1 from pg_locks where not granted and relation = 'product'::regclass");
  CHECK_THROWS(sum.fetch_one());  // there is no such value yet
  writer.work.commit();
  renamer.join();
  process.db.catch_up();
  CHECK(process.db.analyse(sql).str() == "cache\n  public:product by mood = blue");
  CHECK(sum.fetch_one() == 137);
  CHECK(sum().outcome().is_hit());
  shop.execute("update product set price = 200 where id = 1");
  process.db.catch_up();
  CHECK(sum.fetch_one() == 237);
}

TEST_CASE("postgres automatic: routes that change under a writer lose none of its rows (case 14)",
          "[automatic]") {
  const PgShop shop;
  track(shop, {.tables = {"product"}});
  PgProcess process(shop, automatic());
  const auto price = price_of(process);
  const auto named =
      process.db.prepare<double>("select price from product where name = $1").ttl(1h);
  const auto fill = [&] {
    static_cast<void>(price(std::int64_t{1}));
    static_cast<void>(named("tea"));
  };
  fill();
  shop.execute("delete from querymark.log");
  auto writer = std::make_unique<OpenWrite>(shop, "update product set price = 10 where id = 1");
  std::thread changes([&] { track(shop, {.tables = {"product"}, .routes = {{"name"}}}); });
  // It waits for the writer, so whoever writes after it has the new function.
  shop.await(
      "select exists (select from pg_locks where not granted and relation = 'product'::regclass)");
  writer->work.exec("update product set price = 11 where id = 2");  // by the old one still
  writer->work.commit();
  changes.join();
  CHECK(logged(shop) == "rows public:product:id:1, rows public:product:id:2");
  process.db.catch_up();
  CHECK(price.fetch_one(std::int64_t{1}) == 10);
  CHECK(named.fetch_one("tea") == 10);
  fill();
  shop.execute("delete from querymark.log where kind <> 'schema'");
  shop.execute("update product set price = 12 where id = 1");
  CHECK(logged(shop) == "rows public:product:name:tea");
  process.db.catch_up();
  CHECK(price.fetch_one(std::int64_t{1}) == 12);
  CHECK(named.fetch_one("tea") == 12);
}

TEST_CASE("postgres automatic: a table that is tracked under a writer misses none of its writes",
          "[automatic]") {
  const PgShop shop;
  PgProcess process(shop, automatic());
  const auto price = price_of(process);
  auto writer = std::make_unique<OpenWrite>(shop, "update product set price = 10 where id = 1");
  std::thread tracks([&] { track(shop, {.tables = {"product"}}); });
  shop.await(
      "select exists (select from pg_locks where not granted and relation = 'product'::regclass)");
  // Nothing is kept of a table that does not report yet: the writer's rows would be missed.
  CHECK(price(std::int64_t{2}).outcome().stored == Stored::unproven);
  process.db.catch_up();
  CHECK(price(std::int64_t{1}).outcome().stored == Stored::unproven);
  CHECK(logged(shop).empty());
  writer->work.exec("update product set price = 11 where id = 2");
  writer->work.commit();
  tracks.join();
  process.db.catch_up();
  CHECK(price.fetch_one(std::int64_t{1}) == 10);
  CHECK(price(std::int64_t{1}).outcome().is_hit());
  CHECK(price.fetch_one(std::int64_t{2}) == 11);
}

TEST_CASE("postgres automatic: what joins a table while that is tracked reports as well (case 14)",
          "[automatic]") {
  const PgShop shop;
  shop.execute(
      "create table part (id bigint, price float8) partition by range (id);"
      "create table part_1 partition of part for values from (0) to (100);"
      "create table part_2 (id bigint, price float8);"
      "create table parent (id bigint primary key, price float8);"
      "create table child (id bigint primary key, price float8)");
  struct Joins {
    std::string table;
    std::string how;
    std::string member;
  };
  for (const Joins& one :
       {Joins{"part", "alter table part attach partition part_2 for values from (100) to (200)",
              "part_2"},
        Joins{"parent", "alter table child inherit parent", "child"}}) {
    CAPTURE(one.how);
    auto other = std::make_unique<OpenWrite>(shop, one.how);
    TrackOptions options{.tables = {one.table}, .routes = {{"id"}}};
    std::thread tracks([&] { track(shop, options); });
    shop.await("select exists (select from pg_locks where not granted and relation = '" +
               one.table + "'::regclass)");
    other->work.commit();
    tracks.join();
    CHECK(postgres::check_tracking(shop.url(), {.tables = {one.table}}).empty());
    shop.execute("delete from querymark.log");
    shop.execute("insert into " + one.member + " values (150, 1)");
    CHECK(logged(shop) == "rows public:" + one.table + ":id:150");
  }
}

TEST_CASE("postgres automatic: writers go on while tables are tracked, again and again",
          "[automatic]") {
  const PgShop shop;
  PgProcess process(shop, automatic());
  const auto price = price_of(process);
  std::atomic<bool> over{false};
  std::atomic<int> written{0};
  std::vector<std::thread> writers;
  for (int writer = 0; writer < 2; ++writer)
    writers.emplace_back([&, writer] {
      pqxx::connection connection(shop.url());
      const std::string id = std::to_string(writer + 1);
      while (!over.load()) {
        pqxx::work work(connection);
        work.exec("update product set price = price + 1 where id = " + id);
        work.commit();
        ++written;
      }
    });
  for (int round = 0; round < 12; ++round) {
    TrackOptions options{.tables = {"product"}};
    if (round % 3 == 1) options.routes = {{"name"}};
    if (round % 3 == 2) options.routes = {{"id"}, {"name"}};
    if (round % 4 == 3)
      static_cast<void>(postgres::untrack(shop.url(), {.tables = {"product"}}));
    else
      track(shop, options);
    for (int look = 0; look < 10; ++look)
      for (const std::int64_t id : {1, 2}) {
        // What is served after a look at the log is no older than what was there before the look.
        const auto before = shop.number("select floor(price)::bigint from product where id = " +
                                        std::to_string(id));
        process.db.catch_up();
        const auto rows = price(id);
        CHECK(rows[0] >= static_cast<double>(before));
      }
  }
  over.store(true);
  for (std::thread& writer : writers) writer.join();
  CHECK(written.load() > 0);
  track(shop, {.tables = {"product"}});
  process.db.catch_up();
  for (const std::int64_t id : {1, 2}) {
    static_cast<void>(price(id));
    CHECK(price(id).outcome().is_hit());
    CHECK(std::floor(price.fetch_one(id)) ==
          static_cast<double>(shop.number("select floor(price)::bigint from product where id = " +
                                          std::to_string(id))));
  }
}

TEST_CASE(
    "postgres automatic: of a tracked table's sequence, RETURNING and currval() tell (case 15)",
    "[automatic]") {
  const PgShop shop;
  shop.execute("create table item (id bigint generated always as identity primary key, note text)");
  track(shop, {.tables = {"item"}});
  pqxx::connection connection(shop.url());
  pqxx::work work(connection);
  const auto number = [&](const std::string& sql) {
    return work.exec(sql)[0][0].as<std::int64_t>();
  };
  for (int i = 0; i < 5; ++i)  // so that the numbers of the log are others
    work.exec("update item set note = 'x'");
  CHECK(number("insert into item (note) values ('a') returning id") == 1);
  CHECK(number("select currval(pg_get_serial_sequence('item', 'id'))") == 1);
  CHECK(number("insert into item (note) values ('b') returning id") == 2);
  // The documented one: the last number that the session drew is that of the log's row.
  CHECK(number("select lastval()") == number("select max(id) from querymark.log"));
}

TEST_CASE("postgres automatic: what a policy decides by another table is not kept (case 21)",
          "[automatic]") {
  const PgShop shop;
  shop.execute(
      "do $$ begin create role readers login; exception when duplicate_object then null; end $$;"
      "grant querymark_subscriber, querymark_writer to readers;"
      "grant temporary on database \"" +
      shop.name() +
      "\" to readers;"
      "create table allowed (name text); create table note (id int primary key, text text);"
      "insert into note values (1, 'one'); alter table note enable row level security;"
      "create policy by_list on note using (exists (select from allowed where name = 'all'));"
      "create view notes with (security_invoker = false) as select * from note;"
      "grant select on note, notes, allowed to readers");
  track(shop, {.tables = {"note", "allowed"}});
  PgProcess process(shop.server().url(shop.name(), "readers"), automatic());
  const auto notes = [&](const char* sql) { return process.db.query(sql).ttl(1h).fetch(); };
  const char* const sql = "select text from note where id = 1";
  CHECK(process.db.analyse(sql).verdict == Verdict::ttl_only);
  CHECK_THAT(process.db.analyse(sql).why, Contains("row-level security"));
  CHECK_THAT(process.db.analyse("select text from notes").why, Contains("row-level security"));
  for (int i = 0; i < 2; ++i) {
    const Result hidden = notes(sql);
    CHECK(hidden.empty());
    CHECK(hidden.outcome().stored == Stored::unproven);
  }
  shop.execute("insert into allowed values ('all')");
  CHECK(notes(sql).set().size() == 1);
  // A policy that comes later ends what was kept before it.
  shop.execute(
      "create table plain (id int primary key); grant select on plain to readers; insert into "
      "plain values (1)");
  track(shop, {.tables = {"plain"}});
  process.db.catch_up();
  static_cast<void>(notes("select id from plain"));
  REQUIRE(notes("select id from plain").outcome().is_hit());
  shop.execute("alter table plain enable row level security");
  process.db.catch_up();
  CHECK(notes("select id from plain").empty());
}

TEST_CASE(
    "postgres automatic: a role that gets another search_path gets no other tables' rows (case 33)",
    "[automatic]") {
  const PgShop shop;
  shop.execute(
      "do $$ begin create role movers login; exception when duplicate_object then null; end $$;"
      "grant querymark_subscriber, querymark_writer to movers;"
      "create schema other; create table other.product (id int primary key, price float8);"
      "insert into other.product values (1, 99); grant usage on schema other to movers;"
      "grant select on product, other.product to movers");
  track(shop, {.tables = {"product", "other.product"}});
  postgres::Options options = automatic();
  options.direct_url = shop.url();
  PgProcess process(shop.server().url(shop.name(), "movers"), options);
  const auto price = price_of(process);
  CHECK(price.fetch_one(std::int64_t{1}) == 2.5);
  // Nothing reports it: no event trigger sees what is of the whole cluster.
  shop.execute("alter role movers set search_path = other, public");
  shop.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'movers'");
  CHECK_THAT(message_of([&] { static_cast<void>(price(std::int64_t{2})); }),
             Contains("search_path was"));
  shop.execute("update product set price = 3 where id = 1");
  process.db.catch_up();
  CHECK_THAT(message_of([&] { static_cast<void>(price(std::int64_t{1})); }),
             Contains("search_path was"));
  // A new process has a key of its own, and the other table's rows.
  PgProcess anew(shop.server().url(shop.name(), "movers"), options);
  CHECK(price_of(anew).fetch_one(std::int64_t{1}) == 99);
  shop.execute("alter role movers reset all");
  CHECK(price.fetch_one(std::int64_t{1}) == 3);
}

TEST_CASE("postgres automatic: an event trigger that is disabled says nothing, and is missed soon",
          "[automatic]") {
  const PgShop shop;
  track(shop, {.tables = {"product"}});
  postgres::Options options = automatic();
  options.max_lag = 200ms;
  options.poll_interval = 50ms;
  options.lagging = Lagging::serve_degraded;  // on a busy machine it would bypass
  PgProcess process(shop, options);
  const auto price = price_of(process);
  static_cast<void>(price(std::int64_t{1}));
  const auto kept = [&] { return price(std::int64_t{1}).outcome().stored != Stored::unproven; };
  CHECK(kept());
  const auto reported = [&] {
    return shop.number("select count(*) from querymark.log where kind = 'schema'");
  };
  const auto before = reported();
  shop.execute("alter event trigger querymark_definitions disable");
  await("the silence is noticed", 20s, [&] { return !kept(); });
  CHECK_THAT(process.db.analyse(kPrice).why, Contains("changes of definitions"));
  // Others, who may look later, learn of it from the log.
  await("the log tells", 20s, [&] { return reported() > before; });
  shop.execute("alter event trigger querymark_definitions enable always");
  await("they report again", 20s, kept);
  // For a moment only: what was changed meanwhile nobody knows.
  await("all is told", 20s, [&] { return reported() >= before + 2; });
  shop.execute(
      "alter event trigger querymark_definitions disable;"
      "alter event trigger querymark_definitions enable always");
  await("the moment is noticed", 20s, [&] { return reported() >= before + 3; });
}

namespace {

struct Polled {
  explicit Polled(TimeSpan pause) {
    track(shop, {.tables = {"product"}});
    shop.execute(
        "drop event trigger querymark_definitions; drop event trigger querymark_drops;"
        "create view cheap as select id from product where price < 10;"
        "create materialized view summed as select sum(price) from product");
    options.ddl = postgres::Ddl::polled(pause);
  }
  PgShop shop;
  postgres::Options options = automatic();
};

}  // namespace

TEST_CASE("postgres automatic: without event triggers the catalogue is looked at, if asked for",
          "[automatic]") {
  Polled it(20ms);
  PgProcess process(it.shop, it.options);
  PgProcess reported(it.shop, automatic());
  const auto price = price_of(process);
  CHECK(price_of(reported)(std::int64_t{1}).outcome().stored == Stored::unproven);
  const auto cheap = process.db.prepare<std::int64_t>("select count(*) from cheap").ttl(1h);
  CHECK(cheap.fetch_one() == 2);
  REQUIRE(cheap().outcome().is_hit());
  it.shop.execute("update product set price = 1 where id = 3");
  process.db.catch_up();
  CHECK(cheap.fetch_one() == 3);
  CHECK_THAT(process.db.analyse("select sum from summed").why, Contains("REFRESH"));
  // A value that gets another name waits for no writer here.
  it.shop.execute("create type mood as enum ('sad'); create table felt (mood mood primary key)");
  track(it.shop, {.tables = {"felt"}});
  it.shop.execute(
      "drop event trigger if exists querymark_definitions; drop event trigger if exists "
      "querymark_drops; drop event trigger if exists querymark_departures");
  await("the new table", 20s, [&] {
    return process.db.analyse("select 1 from felt where mood = 'sad'").str() ==
           "cache\n  kept in this process alone: definitions are polled\n  public:felt, any row";
  });

  it.shop.execute("create or replace view cheap as select id from product where price < 2");
  await("the new view", 20s, [&] { return cheap.fetch_one() == 1; });
  // A trigger that goes is a change of definitions, too.
  static_cast<void>(price(std::int64_t{1}));
  it.shop.execute("alter table product disable trigger querymark_update");
  await("the table reports no more", 20s,
        [&] { return price(std::int64_t{1}).outcome().stored == Stored::unproven; });
}

TEST_CASE(
    "postgres automatic: nothing but a change of definitions counts as one, where they are looked "
    "at",
    "[automatic]") {
  const Polled it(1s);
  postgres::Connection connection(it.shop.url(), {});
  connection.run("set search_path = pg_catalog, pg_temp");
  const auto now = [&] {
    const ResultSet answer =
        connection.query(postgres::sql::definitions_now.text, {as_parameter(true)});
    return answer.row(0)["state"].as<std::string>();
  };
  std::string before = now();
  PgProcess process(it.shop, it.options);
  for (const char* sql :
       {"create temporary table t (id int primary key, note text default 'x'); drop table t",
        "create temporary table t as select 1 as id", "update product set price = 9 where id = 2",
        "analyze product", "vacuum freeze product", "checkpoint"}) {
    INFO(sql);
    it.shop.execute(sql);
    static_cast<void>(process.db.analyse("select 2"));  // which makes a function, and rolls it back
    CHECK(now() == before);
  }
  for (const char* sql :
       {"create or replace view cheap as select id from product where price < 2",
        "alter table product disable trigger querymark_update",
        "create table more (id int)",
        "alter table more alter column id set default 7",
        "alter table more rename column id to key",
        "alter table more add check (key > 0)",
        "create policy p on more using (key > 1)",
        "alter policy p on more using (key > 2)",
        "alter table more enable row level security",
        "create table child () inherits (more)",
        "alter table child no inherit more",
        "create type mood as enum ('sad')",
        "alter type mood add value 'happy'",
        "create domain small as int",
        "alter domain small add check (value < 9)",
        "create function f() returns int language sql begin atomic select 1; end",
        "create or replace function f() returns int language sql begin atomic select 2; end",
        "drop function f",
        "alter view cheap rename to cheaper",
        "create schema app",
        "alter table more set schema app",
        "refresh materialized view summed",
        "drop table child"}) {
    INFO(sql);
    it.shop.execute(sql);
    std::string after = now();
    CHECK(after != before);
    before = std::move(after);
  }
}

namespace {

struct CountingTier final : SharedTier {
  [[nodiscard]] std::string_view label() const noexcept override { return "counting"; }
  [[nodiscard]] std::optional<TierFailure> read(std::string_view /*namespace_name*/,
                                                std::span<TierRead> /*wanted*/) noexcept override {
    ++calls;
    return std::nullopt;
  }
  StoreStatus put(std::string_view /*namespace_name*/, const Digest& /*name*/,
                  const SharedValue& /*value*/) noexcept override {
    ++calls;
    return StoreStatus::stored;
  }
  std::size_t remove(std::string_view /*namespace_name*/,
                     std::span<const Digest> /*names*/) override {
    return 0;
  }
  int calls = 0;
};

}  // namespace

TEST_CASE("postgres automatic: what rests on looks at the catalogue stays in the process",
          "[automatic]") {
  const Polled it(1s);
  PgProcess process(it.shop, it.options);
  const auto tier = std::make_shared<CountingTier>();
  process.db.attach(tier);
  CHECK(price_of(process)(std::int64_t{1}).outcome().stored == Stored::yes);
  CHECK(price_of(process)(std::int64_t{1}).outcome().is_hit());
  CHECK(tier->calls == 0);
  static_cast<void>(process.db.query(kPrice, std::int64_t{1}).tagging(Tags::declared).fetch());
  CHECK(tier->calls == 2);
  CHECK_THROWS_AS(postgres::Ddl::polled(0s), ConfigError);
}
