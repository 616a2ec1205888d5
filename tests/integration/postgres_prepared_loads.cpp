// Loads by the names of prepared statements: each answers what its text would answer now.

#include <atomic>
#include <catch2/catch.hpp>
#include <optional>

#include "querymark/postgres/track.hpp"
#include "support/pg_shop.hpp"
#include "support/rows.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

// Stands still, so that no load is slow, however busy the machine is; or each look at it takes its time.
class LookedAt final : public Clock {
 public:
  [[nodiscard]] MonotonicTime now() const noexcept override {
    clock_.advance(std::chrono::nanoseconds(each_.load()));
    return clock_.now();
  }
  [[nodiscard]] MonotonicTime coarse_now() const noexcept override { return clock_.now(); }
  [[nodiscard]] WallTime wall_now() const noexcept override { return clock_.wall_now(); }
  void each_takes(std::chrono::nanoseconds time) noexcept { each_ = time.count(); }
  void advance(std::chrono::nanoseconds by) noexcept { clock_.advance(by); }

 private:
  mutable ManualClock clock_;
  std::atomic<std::int64_t> each_{0};
};

struct Loads {
  PgShop shop;
  LookedAt clock;
  PgProcess process;

  explicit Loads(const postgres::Options& options = one_connection())
      : process(shop, options, clock) {
    shop.execute(
        "create table item (id int primary key, value int, note text);"
        "insert into item select n, n, n from generate_series(1, 9) n");
  }

  // The first column of the first row, past the cache.
  template <class... Args>
  std::string load(const std::string& sql, const Args&... args) {
    const auto rows = process.db.query(sql, args...).uncached().fetch();
    return std::string(rows[0][0].template as<std::optional<std::string>>().value_or("null"));
  }
  template <class... Args>
  void often(const std::string& sql, const Args&... args) {
    for (int i = 0; i < 8; ++i) load(sql, args...);
  }
  [[nodiscard]] std::int64_t prepared() { return prepared_calls(process); }
};

// A role of the database's own that may read item: how many rows it sees by a load that comes again.
struct RoleLoads {
  PgShop shop;
  LookedAt clock;
  std::string role = "app_" + shop.name();  // roles are the server's
  std::optional<PgProcess> process;

  // `made`: item, and who may read what.
  RoleLoads(const std::string& attributes, const std::string& made) {
    shop.execute("create role " + role + " login" + attributes +
                 "; grant querymark_subscriber to " + role + ';' + made +
                 "; grant select on item to " + role);
    process.emplace(shop.server().url(shop.name(), role), one_connection(), clock);
  }
  std::int64_t rows() {
    return only(process->db.query("select count(*) from item where id = $1", 1)
                    .uncached()
                    .fetch_as<std::int64_t>());
  }
};

constexpr const char* kValue = "select value::text from item where id = $1";

}  // namespace

TEST_CASE("postgres prepared loads: what comes twice is prepared, however it is asked for",
          "[statements]") {
  Loads f;
  const auto ask = [&](const char* how, const std::string& sql, int id) {
    const std::string_view way = how;
    if (way == "uncached") return f.load(sql, id);
    if (way == "strong") return only(f.process.db.query(sql, id).strong().fetch_as<std::string>());
    return only(f.process.db.query(sql, id).fetch_as<std::string>());
  };
  const char* const how = GENERATE("uncached", "cached", "strong");
  CHECK(ask(how, kValue, 1) == "1");
  CHECK(f.prepared() == 0);
  for (int id = 2; id < 10; ++id) CHECK(ask(how, kValue, id) == std::to_string(id));
  CHECK(f.prepared() == 1);
}

TEST_CASE("postgres prepared loads: many keys by one statement", "[statements]") {
  Loads f;
  const auto items = f.process.db.prepare_many<std::string>(
      "select k.ordinality, i.value::text from unnest($1::int[]) with ordinality as k(key) join "
      "item i on i.id = k.key");
  for (int id = 1; id < 7; ++id) {
    const auto rows = items.fetch_many(std::vector<int>{id, id + 1});
    CHECK(only(rows[1]) == std::to_string(id + 1));
  }
  CHECK(f.prepared() == 1);
}

TEST_CASE("postgres prepared loads: who wants none has none, of loads and writes", "[statements]") {
  postgres::Options options = one_connection();
  options.prepare_statements = GENERATE(true, false);
  Loads f(options);
  f.often(kValue, 1);
  for (int i = 0; i < 3; ++i)
    f.process.db.write([&](postgres::Transaction& tx) {
      tx.execute("update item set value = $1 where id = $2", i, 1);
    });
  CHECK(f.prepared() == (options.prepare_statements ? 2 : 0));
}

TEST_CASE("postgres prepared loads: what is very long is not kept", "[statements]") {
  Loads f;
  const std::string longer = std::string(kValue) + " --" + std::string(100'000, 'x');
  for (int i = 0; i < 3; ++i) CHECK(f.load(longer, 3) == "3");
  CHECK(f.prepared() == 0);
}

TEST_CASE("postgres prepared loads: a session keeps a bounded number", "[statements]") {
  Loads f;
  for (int i = 0; i < 200; ++i)
    for (int again = 0; again < 2; ++again)
      CHECK(f.load("select " + std::to_string(i) + "::text where 1 = $1", 1) == std::to_string(i));
  CHECK(f.prepared() <= 64);
}

TEST_CASE("postgres prepared loads: one that the schema has left behind answers as its text does",
          "[statements]") {
  Loads f;
  f.often(kValue, 1);
  SECTION("a column comes") {
    const std::string all = "select * from item where id = $1";
    const auto columns = [&] {
      return f.process.db.query(all, 1).uncached().fetch().set().columns();
    };
    for (int i = 0; i < 3; ++i) CHECK(columns() == 3);
    f.shop.execute("alter table item add more int");
    CHECK(columns() == 4);
  }
  SECTION("a parameter is of another kind") {
    f.shop.execute("alter table item alter id type text; update item set id = 'a' where id = '1'");
    CHECK(f.load(kValue, 2) == "2");
    CHECK(f.load(kValue, "a") == "1");
  }
  SECTION("a parameter has more room") {
    f.shop.execute("alter table item alter id type bigint; update item set id = id << 40");
    CHECK(f.load(kValue, std::int64_t{3} << 40) == "3");
  }
  SECTION("a result is of another kind") {
    f.shop.execute("create type mood as enum ('good', 'bad'); alter table item add felt mood");
    const std::string felt = "select felt from item where id = $1";
    f.often(felt, 1);
    f.shop.execute(
        "alter table item drop felt; drop type mood; create type mood as enum ('fine');"
        "alter table item add felt mood default 'fine'");
    CHECK(f.load(felt, 1) == "fine");
  }
  SECTION("the table is made anew") {
    f.shop.execute("drop table item; create table item (id bigint, value text)");
    f.shop.execute("insert into item values (1, 'new')");
    CHECK(f.load(kValue, 1) == "new");
  }
  SECTION("tables change their names") {
    f.shop.execute(
        "create table other (id int, value int); insert into other values (1, 77);"
        "alter table item rename to old; alter table other rename to item");
    CHECK(f.load(kValue, 1) == "77");
  }
  SECTION("the table is gone, and comes back: the same error as ever meanwhile") {
    f.shop.execute("drop table item");
    for (int i = 0; i < 3; ++i) CHECK_THROWS_WITH(f.load(kValue, 1), Contains("42P01"));
    f.shop.execute("create table item (id int, value int); insert into item values (1, 5)");
    CHECK(f.load(kValue, 1) == "5");
  }
  SECTION("how exact a number is") {
    f.shop.execute("create table price (amount real); insert into price values (0.1)");
    const std::string sql = "select count(*)::text from price where amount = $1";
    f.often(sql, 0.1);
    f.shop.execute(
        "alter table price alter amount type double precision; update price set amount = 0.1");
    CHECK(f.load(sql, 0.1) == "1");
  }
  SECTION("how numbers are divided") {
    f.shop.execute("create table price (amount numeric); insert into price values (7)");
    const std::string sql = GENERATE("select (amount / $1)::text from price",
                                     "select ((amount + $1) / 2)::text from price where $1 > 0");
    f.often(sql, 2);
    f.shop.execute("alter table price alter amount type int");
    CHECK(f.load(sql, 2) == (sql.find('+') == std::string::npos ? "3" : "4"));
  }
  SECTION("what type a value has that may be the parameter") {
    const std::string sql = GENERATE("select coalesce(value, $1) from item order by id limit 1",
                                     "select value from item union all select $1 limit 1",
                                     "select case id when $2 then value else $1 end from item");
    const auto type = [&] {
      const bool two = sql.find("$2") != std::string::npos;
      const ResultSet set = two ? f.process.db.query(sql, 7, 1).uncached().fetch().set()
                                : f.process.db.query(sql, 7).uncached().fetch().set();
      return std::string(set.column_type(0));
    };
    for (int i = 0; i < 8; ++i) CHECK(type() == "integer");
    f.shop.execute("alter table item alter value type smallint");
    CHECK(type() == "smallint");
  }
  SECTION("how exact a number has been") {
    f.shop.execute("create table price (amount real); insert into price values (0)");
    const std::string sql = "select count(*)::text from price where amount = $1";
    f.often(sql, 16777217);
    f.shop.execute("alter table price alter amount type int; update price set amount = 16777216");
    CHECK(f.load(sql, 16777217) == "0");
  }
  SECTION("a policy hides rows") {
    f.shop.execute(
        "alter table item enable row level security; alter table item force row level security;"
        "create policy small on item using (value < 5)");
    const std::string superuser =
        f.shop.text("select rolsuper from pg_roles where rolname = current_user");
    const std::string expected = superuser == "t" ? "1" : "0";
    CHECK(f.load("select count(*)::text from item where id = $1", 7) == expected);
    f.often("select count(*)::text from item where id = $1", 7);
    f.shop.execute("drop policy small on item; create policy large on item using (value > 5)");
    CHECK(f.load("select count(*)::text from item where id = $1", 7) == "1");
  }
}

TEST_CASE("postgres prepared loads: names that come to mean something else mean it at once",
          "[statements]") {
  Loads f;
  SECTION("a field of a value") {
    f.shop.execute(
        "create type place as (city text, street text); create table shop (id int, place place);"
        "insert into shop values (1, row('a', 'b'))");
    const std::string sql = "select (place).city from shop where id = $1";
    f.often(sql, 1);
    f.shop.execute(
        "alter type place rename attribute city to old;"
        "alter type place rename attribute street to city");
    CHECK(f.load(sql, 1) == "b");
    f.shop.execute("alter type place drop attribute city");
    CHECK_THROWS_WITH(f.load(sql, 1), Contains("42703"));
  }
  SECTION("a field of a value that FROM gets") {
    f.shop.execute(
        "create type place as (city text, street text); create table shop (id int, p place);"
        "insert into shop values (1, row('a', 'b'))");
    const std::string from =
        GENERATE("shop s, unnest(array[s.p, s.p]) p", "shop s, coalesce(s.p) p",
                 "shop s join lateral nullif(s.p, null) p on true");
    const std::string sql = "select p.city from " + from + " where s.id = $1";
    f.often(sql, 1);
    f.shop.execute(
        "alter type place rename attribute city to old;"
        "alter type place rename attribute street to city");
    CHECK(f.load(sql, 1) == "b");
  }
  SECTION("a type") {
    f.shop.execute("create type mood as enum ('1', '2')");
    const std::string sql = "select (note::mood < cast('2' as mood))::text from item where id = $1";
    f.often(sql, 1);
    f.shop.execute("alter type mood rename to old; create type mood as enum ('2', '1')");
    CHECK(f.load(sql, 1) == "false");
  }
  SECTION("a function that fits better comes") {
    f.shop.execute("alter table item alter note type varchar(9)");
    const std::string sql = "select lower(note) from item where id = $1";
    f.often(sql, 1);
    CHECK(f.prepared() == 1);
    f.shop.execute(
        "create function lower(varchar) returns text language sql as $$ select 'mine' $$");
    f.often(sql, 1);
    CHECK(f.load(sql, 1) == "mine");
    CHECK(f.load("select max(id)::text from item where id < $1", 9) == "8");
    CHECK(f.prepared() == 0);  // and stays a text
  }
}

// The server settles which policies are a role's when it prepares.
TEST_CASE("postgres prepared loads: what is granted and revoked holds at once", "[statements]") {
  RoleLoads f("", "create table item (id int, value int); insert into item values (1, 1), (1, 2)");
  const std::string group = "all_" + f.shop.name();
  for (int i = 0; i < 7; ++i) CHECK(f.rows() == 2);
  CHECK(prepared_calls(*f.process) == 1);
  f.shop.execute("create role " + group);
  f.shop.execute(
      "alter table item enable row level security;"
      "create policy everything on item to " +
      group + " using (true); create policy one on item using (value = 1)");
  for (int i = 0; i < 7; ++i) CHECK(f.rows() == 1);
  f.shop.execute("grant " + group + " to " + f.role);
  for (int i = 0; i < 7; ++i) CHECK(f.rows() == 2);
  f.shop.execute("revoke " + group + " from " + f.role);
  CHECK(f.rows() == 1);
}

// Nobody's rows are others' without policies, but for roles that pass them by.
TEST_CASE("postgres prepared loads: who may not pass by row-level security any more sees no row",
          "[statements]") {
  RoleLoads f(" bypassrls",
              "create table item (id int); insert into item values (1);"
              "alter table item enable row level security");
  for (int i = 0; i < 7; ++i) CHECK(f.rows() == 1);
  f.shop.execute("alter role " + f.role + " nobypassrls");
  CHECK(f.rows() == 0);
}

// Without a policy nothing that a load proves tells of it.
TEST_CASE("postgres prepared loads: row-level security that comes is noticed after a minute",
          "[statements]") {
  RoleLoads f(" bypassrls", "create table item (id int); insert into item values (1)");
  for (int i = 0; i < 7; ++i) CHECK(f.rows() == 1);
  f.shop.execute("alter table item enable row level security");
  f.clock.advance(61s);
  for (int i = 0; i < 7; ++i) CHECK(f.rows() == 1);
  f.shop.execute("alter role " + f.role + " nobypassrls");
  CHECK(f.rows() == 0);
}

// What a result says is kept for an hour here, so no load may go by what was prepared before the change.
TEST_CASE("postgres prepared loads: what definitions were when it was prepared is kept by nobody",
          "[statements]") {
  const PgShop shop;
  shop.execute(
      "create type mood as enum ('good', 'bad'); create table felt (id int primary key, mood mood);"
      "insert into felt values (1, 'good'), (2, 'bad')");
  static_cast<void>(postgres::track(shop.url(), {.tables = {"felt"}}));
  postgres::Options options = PgProcess::quick();
  options.tags = Tags::automatic;
  const ManualClock clock;
  PgProcess process(shop, options, clock);
  const auto first_good = [&](int above) {
    return only(process.db.query("select id from felt where mood = 'good' and id > $1", above)
                    .ttl(1h)
                    .fetch_as<std::int64_t>());
  };
  // On a second connection, which has analysed nothing.
  const auto beside = [&](int above) {
    return process.db
        .write([&](postgres::Transaction& tx) {
          tx.execute("update product set price = 1 where id = $1", 1);
          return first_good(above);
        })
        .value;
  };
  CHECK(first_good(0) == 1);
  for (int above = -1; above > -8; --above) CHECK(beside(above) == 1);
  shop.execute(
      "alter type mood rename value 'good' to 'was'; alter type mood rename value 'bad' to 'good'");
  process.db.catch_up();
  CHECK(first_good(0) == 2);
  CHECK(beside(-1) == 2);
}

TEST_CASE("postgres prepared loads: 'now' is the present", "[statements]") {
  Loads f;
  const std::string sql = "select 'now'::timestamptz::text from item where id = $1";
  f.often(sql, 1);
  CHECK(f.load(sql, 1) != f.load(sql, 1));
}

TEST_CASE("postgres prepared loads: a table that comes in front of another is the one that is read",
          "[statements]") {
  postgres::Options options = one_connection();
  SECTION("where the path leads to more than one schema nothing is prepared") {
    options.session.search_path = "front, public";
    Loads f(options);
    f.shop.execute("create schema front");
    f.often(kValue, 1);
    f.shop.execute("create table front.item as select 1 as id, 88 as value");
    CHECK(f.load(kValue, 1) == "88");
  }
  SECTION("a schema of the path comes, and then the table") {
    options.session.search_path = "front, public";
    Loads f(options);
    f.often(kValue, 1);
    CHECK(f.prepared() == 1);
    f.shop.execute("create schema front");
    SECTION("at once") {}
    SECTION("in between it is read") { f.often(kValue, 1); }
    f.shop.execute("create table front.item as select 1 as id, 88 as value");
    CHECK(f.load(kValue, 1) == "88");
  }
  SECTION("a temporary table of a write, which ends with it") {
    Loads f(options);
    f.often(kValue, 1);
    f.process.db.write([](postgres::Transaction& tx) {
      tx.execute("create temp table item as select 1 as id, 88 as value");
      const ResultSet rows = tx.query(kValue, 1);
      CHECK(rows.row(0)[0].view() == "88");
    });
    f.often(kValue, 1);
    CHECK(f.load(kValue, 1) == "1");
  }
}

// Not what its author says: a plan for all values would keep the tenant of its first load.
TEST_CASE("postgres prepared loads: under settings of the load's own nothing is kept",
          "[statements]") {
  postgres::Options options = one_connection();
  options.session.settings = {{"app.tenant", ""}};  // so that the session can forget it
  Loads f(options);
  f.shop.execute(
      "create function tenant() returns text immutable language sql as "
      "$$ select current_setting('app.tenant', true) $$;"
      "create view mine as select tenant() as owner, id from item");
  for (int i = 0; i < 9; ++i)
    for (const char* const tenant : {"one", "two"}) {
      auto theirs = f.process.db.with({{"app.tenant", tenant}});
      CHECK(only(theirs.query("select owner from mine where id = $1", 1)
                     .uncached()
                     .fetch_as<std::string>()) == tenant);
    }
}

TEST_CASE("postgres prepared loads: a session that has lost what it had goes on with another",
          "[statements]") {
  Loads f;
  f.shop.execute(
      "create function wipe(text) returns int language plpgsql as $$ begin execute $1; return 1; "
      "end $$");
  const std::string wipe = "select wipe('" +
                           std::string(GENERATE("deallocate all", "deallocate querymark_call_1",
                                                "prepare querymark_call_2 as select 1")) +
                           "')::text";
  f.often(kValue, 1);
  CHECK(f.prepared() == 1);
  f.load(wipe);
  f.often("select note from item where id = $1", 2);
  CHECK(f.load("select note from item where id = $1", 3) == "3");
  CHECK(f.load(kValue, 4) == "4");
}

TEST_CASE("postgres prepared loads: one that fails fails as its text does, each time",
          "[statements]") {
  Loads f;
  const std::string sql = "select (7 / ($1::int - 1))::text";
  for (int i = 0; i < 4; ++i) {
    CHECK_THROWS_WITH(f.load(sql, 1), Contains("22012") && Contains("select (7"));
    CHECK(f.load(sql, 2) == "7");
  }
  for (int i = 0; i < 3; ++i)
    CHECK_THROWS_WITH(f.load("slect 1 where 1 = $1", 1), Contains("42601"));
  for (int i = 0; i < 3; ++i) CHECK_THROWS_WITH(f.load("select $1, $2", 1), Contains("$2"));
}

TEST_CASE("postgres prepared loads: what a parameter is does not depend on those before it",
          "[statements]") {
  Loads f;
  const std::string sql = "select count(*)::text from item where note = $1 or id < $2";
  CHECK(f.load(sql, std::optional<int>(), 3) == "2");
  CHECK(f.load(sql, 7, 3) == "3");
  CHECK(f.load(sql, "8", 3) == "3");
  CHECK(f.load(sql, std::optional<int>(), std::optional<int>()) == "0");
  CHECK_THROWS_WITH(f.load(sql, "8", "x"), Contains("22P02"));
  CHECK_THROWS_WITH(f.load(sql, 1, std::int64_t{1} << 40), Contains("22003"));
  CHECK(f.load(sql, 7, 1) == "1");
}

// As by a plan for all values that is far worse than one for these.
TEST_CASE("postgres prepared loads: one that has become much slower is run as a text again",
          "[statements]") {
  Loads f;
  f.often(kValue, 1);
  CHECK(f.prepared() == 1);
  f.clock.each_takes(10ms);
  for (int i = 0; i < 3; ++i) CHECK(f.load(kValue, 2) == "2");
  f.clock.each_takes(0ms);
  f.often(kValue, 1);
  CHECK(f.prepared() == 0);
}

TEST_CASE("postgres prepared loads: each is prepared anew after a minute", "[statements]") {
  Loads f;
  auto name = [&f, asked = 0]() mutable {  // by a text of its own each time
    return f.load("select name from pg_prepared_statements where name like 'querymark_call_%' -- " +
                  std::to_string(++asked));
  };
  f.often(kValue, 1);
  const std::string first = name();
  f.clock.advance(61s);
  f.often(kValue, 1);
  CHECK(f.prepared() == 1);
  CHECK(name() != first);
}
