#include "connection.hpp"

#include <array>
#include <catch2/catch.hpp>

#include "postgres_sql.hpp"
#include "support/pg_shop.hpp"

using namespace querymark;
using namespace querymark::test;
using Catch::Matchers::Contains;
using postgres::Connection;
using postgres::Part;
using postgres::Sent;

namespace {

std::int64_t prepared_on(Connection& connection) {
  const ResultSet set = connection.query("select count(*) from pg_prepared_statements");
  return set.row(0)[0].as<std::int64_t>();
}

}  // namespace

TEST_CASE("postgres connection: a named statement is prepared once, any other never",
          "[postgres]") {
  const PgShop shop;
  Connection connection(shop.url(), {});
  for (int i = 0; i < 3; ++i) {
    static_cast<void>(connection.query(postgres::sql::log_state));
    CHECK(prepared_on(connection) == 0);
  }
  for (int i = 0; i < 3; ++i)
    CHECK(connection
              .query_named(postgres::sql::consumer,
                           {as_parameter("shop"), as_parameter("a"), as_parameter(1)})
              .empty());
  CHECK(connection.execute_named(postgres::sql::consumer_register,
                                 {as_parameter("shop"), as_parameter("a")}) == 1);
  CHECK(connection
            .query_named(postgres::sql::consumer,
                         {as_parameter("shop"), as_parameter("a"), as_parameter(1)})
            .size() == 1);
  CHECK(prepared_on(connection) == 2);
  CHECK(connection
            .query("select name from pg_prepared_statements where name = 'consumer' and "
                   "generic_plans + custom_plans = 4")
            .size() == 1);
}

TEST_CASE("postgres connection: a statement that another session prepared ends the connection",
          "[postgres]") {
  const PgShop shop;
  Connection connection(shop.url(), {});
  static_cast<void>(connection.query_named(postgres::sql::log_state));
  static_cast<void>(connection.run("deallocate all"));  // as behind a pooling proxy
  CHECK_THROWS_WITH(connection.query_named(postgres::sql::log_state),
                    Contains("26000") && Contains("direct_url"));
  CHECK_FALSE(connection.open());
}

TEST_CASE("postgres connection: an error in a named statement leaves the connection usable",
          "[postgres]") {
  const PgShop shop;
  Connection connection(shop.url(), {});
  const auto renew = [&](ParameterView token) {
    return connection.execute_named(
        postgres::sql::consumer_renew,
        {as_parameter("shop"), as_parameter("a"), token, as_parameter(1)});
  };
  CHECK_THROWS_WITH(renew(as_parameter("x")), Contains("22P02"));
  CHECK(connection.open());
  CHECK(renew(as_parameter(7)) == 0);
}

TEST_CASE(
    "postgres: a pooled session prepares what each write and read of it sends, and of queries what "
    "comes again",
    "[postgres]") {
  const PgShop shop;
  postgres::Options options = one_connection();
  PgProcess process(shop, options);
  process.set_price(1, 3.0);
  for (int i = 0; i < 3; ++i) static_cast<void>(process.price(i));
  const Rows<std::string> names =
      process.db.query("select name from pg_prepared_statements order by name")
          .fetch_as<std::string>();
  CHECK(std::vector<std::string>(names.begin(), names.end()) ==
        std::vector<std::string>{
            "querymark_append", "querymark_append_one", "querymark_begin", "querymark_call_1",
            "querymark_close", "querymark_commit", "querymark_discard_sequences",
            "querymark_discard_temporary", "querymark_end", "querymark_leave", "querymark_prove",
            "querymark_read_only", "querymark_reset", "querymark_start", "querymark_unlisten"});
}

namespace {

// A connection that has committed a price of 9, and then does `behind`, unawaited: its row must say
// "fresh".
struct Unawaited {
  explicit Unawaited(const std::string& behind) {
    connection.prepare(std::array<Connection::Text, 1>{{{"beginning", "select 1 as begun"}}});
    connection.run("begin; update product set price = 9 where id = 1");
    const std::array<Part, 2> commit{{{.text = "commit"}, {.text = "select 7 as answer"}}};
    const std::array<Part, 2> rest{{{.text = "select pg_sleep(0)"}, {.text = behind}}};
    const ResultSet answer = connection.run_commit({}, commit, {.parts = rest, .session = "fresh"});
    CHECK(answer.row(0)["answer"].as<int>() == 7);
    CHECK(connection.finished("COMMIT"));
    CHECK(connection.standing() == Connection::Standing::none);
    CHECK(connection.usable());
  }
  // Begins a write by inserting a product.
  void begin(Connection::First& first) {
    connection.begin_with({.text = "begin"}, "beginning", {},
                          "insert into product (id, name, price) values (77, 'next', 1)", {}, {},
                          first);
  }

  PgShop shop;
  Connection connection{shop.url(), {}};
};

}  // namespace

TEST_CASE("postgres connection: what a commit left unawaited is taken with whatever comes next",
          "[postgres]") {
  Unawaited left("select 'fresh' as session");
  Connection& connection = left.connection;
  SECTION("a query") { CHECK(connection.query("select 1").size() == 1); }
  SECTION("a rollback") {
    connection.rollback();
    CHECK(connection.usable());
  }
  SECTION("a write") {
    Connection::First first;
    left.begin(first);
    CHECK(first.begun);
    CHECK(first.changed == 1);
    connection.run("commit");
    CHECK(left.shop.number("select count(*) from product where id = 77") == 1);
  }
  SECTION("a write that nobody awaits") {
    const std::array<Sent, 1> sent{
        {{.sql = "update product set price = 3 where id = 1", .values = {}}}};
    const ResultSet begun = connection.begin_ahead({.text = "begin"}, "beginning", sent, {}, {});
    CHECK(begun.row(0)["begun"].as<int>() == 1);
    CHECK(connection.ahead());
    const std::array<Part, 1> commit{{{.text = "commit"}}};
    connection.run_commit(sent, commit, {});
    CHECK(left.shop.number("select price::int from product where id = 1") == 3);
  }
  SECTION("a write that fails") {
    const std::array<Sent, 1> sent{{{.sql = "select 1 / 0", .values = {}}}};
    static_cast<void>(connection.begin_ahead({.text = "begin"}, "beginning", sent, {}, {}));
    const std::array<Part, 1> commit{{{.text = "commit"}}};
    const std::array<Part, 1> rest{{{.text = "select 'fresh' as session"}}};
    CHECK_THROWS_WITH(connection.run_commit(sent, commit, {.parts = rest, .session = "fresh"}),
                      Contains("22012"));
    CHECK_FALSE(connection.finished("COMMIT"));
    connection.rollback();
    CHECK(connection.query("select 1").size() == 1);
  }
  CHECK(connection.open());
}

TEST_CASE(
    "postgres connection: a session that a commit has left other than it was answers nothing more",
    "[postgres]") {
  const std::string behind = GENERATE("select 'stale' as session", "select 1 / 0", "deallocate x",
                                      "select 'fresh' as session where false");
  CAPTURE(behind);
  Unawaited left(behind);
  Connection& connection = left.connection;
  const auto lost = [](auto&& action) {
    try {
      action();
    } catch (const Error& failure) {
      return failure.connection_lost();
    }
    return false;
  };
  SECTION("to a query") {
    CHECK(lost([&] { static_cast<void>(connection.query("select 1")); }));
  }
  SECTION("to a write") {
    Connection::First first;
    CHECK(lost([&] { left.begin(first); }));
    CHECK_FALSE(first.begun);
  }
  SECTION("to a write that nobody awaits") {
    const std::array<Sent, 1> sent{
        {{.sql = "insert into product (id, name, price) values (77, 'next', 1)", .values = {}}}};
    CHECK(lost([&] {
      static_cast<void>(connection.begin_ahead({.text = "begin"}, "beginning", sent, {}, {}));
    }));
    CHECK_FALSE(connection.ahead());
  }
  CHECK_FALSE(connection.open());
  CHECK_FALSE(connection.usable());
  CHECK(left.shop.number("select count(*) from product where id = 77") == 0);
  CHECK(left.shop.number("select price::int from product where id = 1") == 9);
}

TEST_CASE("postgres connection: a process has one for the log, and others once it needs them",
          "[postgres]") {
  const PgShop shop;
  // Awaited, for what was closed takes a moment to go: connections of the test's own, too.
  const auto await_connections = [&](int count) {
    shop.await("select count(*) = " + std::to_string(count) +
               " from pg_stat_activity where pid <> pg_backend_pid() and datname = '" +
               shop.name() + "'");
  };
  {
    PgProcess process(shop);
    await_listening(process.db);
    process.db.catch_up();
    CHECK_NOTHROW(await_connections(1));
    static_cast<void>(process.price(1));
    CHECK_NOTHROW(await_connections(2));
    process.set_price(1, 3.0);
    static_cast<void>(process.price(1));
    CHECK_NOTHROW(await_connections(2));
  }
  // So has a worker, whatever it waits for, claims, reads and prunes.
  postgres::Log log(shop.url(), "shop");
  postgres::NotifyDoorbell doorbell(log);
  doorbell.wait(std::chrono::seconds(20));
  static_cast<void>(log.claims()->claim("tier", "me", std::chrono::seconds(10)));
  static_cast<void>(log.pruning()->extent());
  static_cast<void>(log.subscribers()->subscribers());
  CHECK_NOTHROW(await_connections(1));
}
