#include "connection.hpp"

#include <catch2/catch.hpp>

#include "postgres_sql.hpp"
#include "support/pg_shop.hpp"

using namespace querymark;
using namespace querymark::test;
using Catch::Matchers::Contains;
using postgres::Connection;

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
    "postgres: a pooled session prepares what each write and read of it sends, and nothing of "
    "queries",
    "[postgres]") {
  const PgShop shop;
  postgres::Options options = PgProcess::quick();
  options.connections = 1;
  PgProcess process(shop, options);
  process.set_price(1, 3.0);
  for (int i = 0; i < 3; ++i) static_cast<void>(process.price(i));
  const Rows<std::string> names =
      process.db.query("select name from pg_prepared_statements order by name")
          .fetch_as<std::string>();
  CHECK(std::vector<std::string>(names.begin(), names.end()) ==
        std::vector<std::string>{"querymark_append", "querymark_append_one", "querymark_begin",
                                 "querymark_close", "querymark_commit",
                                 "querymark_discard_sequences", "querymark_discard_temporary",
                                 "querymark_leave", "querymark_prove", "querymark_read_only",
                                 "querymark_reset", "querymark_start", "querymark_unlisten"});
}

TEST_CASE("postgres connection: a process has one for the log, and others once it needs them",
          "[postgres]") {
  const PgShop shop;
  const auto connections = [&] {
    return shop.number(
        "select count(*) from pg_stat_activity where pid <> pg_backend_pid() and "
        "datname = '" +
        shop.name() + "'");
  };
  {
    PgProcess process(shop);
    await_listening(process.db);
    process.db.catch_up();
    shop.await(
        "select count(*) = 1 from pg_stat_activity where pid <> pg_backend_pid() and "
        "datname = '" +
        shop.name() + "'");  // what was closed may take a moment to go
    static_cast<void>(process.price(1));
    CHECK(connections() == 2);
    process.set_price(1, 3.0);
    static_cast<void>(process.price(1));
    CHECK(connections() == 2);
  }
  // So has a worker, whatever it waits for, claims, reads and prunes.
  postgres::Log log(shop.url(), "shop");
  postgres::NotifyDoorbell doorbell(log);
  doorbell.wait(std::chrono::seconds(20));
  static_cast<void>(log.claims()->claim("tier", "me", std::chrono::seconds(10)));
  static_cast<void>(log.pruning()->extent());
  static_cast<void>(log.subscribers()->subscribers());
  shop.await(
      "select count(*) = 1 from pg_stat_activity where pid <> pg_backend_pid() and "
      "datname = '" +
      shop.name() + "'");
  CHECK(connections() == 1);
}
