// What the server says and what the connection is are two things: a SQLSTATE names the error, the
// connection's own state alone tells whether it is lost.

#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdio>
#include <memory>
#include <thread>

#include "connection.hpp"
#include "support/errors.hpp"
#include "support/pg_shop.hpp"
#include "support/rows.hpp"
#include "support/tcp_gate.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using postgres::Connection;

namespace {

std::string raising(const std::string& state) {
  return "do $$ begin raise exception 'raised by a function' using errcode = '" + state +
         "'; end $$";
}

ErrorTraits traits_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& failure) {
    return {failure.retryable(), failure.connection_lost(), failure.outcome_unknown(),
            failure.native_code()};
  }
  FAIL("nothing was thrown");
  return {};
}

int pid_of(postgres::Database& db) {
  return only(db.query("select pg_backend_pid()").uncached().fetch_as<int>());
}

}  // namespace

TEST_CASE("postgres errors: a class that a function raises says nothing of the connection",
          "[errors]") {
  const PgShop shop;
  postgres::Options options = one_connection();
  PgProcess process(shop, options);
  const int before = pid_of(process.db);
  for (const char* state : {"08006", "08P01", "28000", "28P01", "3D000", "53300", "57P01", "57P02",
                            "57P03", "57014", "26000", "0A000", "40003"}) {
    CAPTURE(state);
    const ErrorTraits inside = traits_of([&] {
      process.db.write([&](postgres::Transaction& tx) {
        tx.invalidate(entity("product", 1));
        tx.execute(raising(state));
      });
    });
    CHECK(inside.native_code == state);
    CHECK_FALSE(inside.connection_lost);
    CHECK_FALSE(inside.outcome_unknown);
    CHECK(process.db.stats().in_doubt == 0);
    CHECK(pid_of(process.db) == before);
  }
}

TEST_CASE("postgres errors: what a deferred trigger raises at COMMIT is a definite failure",
          "[errors]") {
  const PgShop shop;
  postgres::Options options = one_connection();
  PgProcess process(shop, options);
  shop.execute(
      "create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no' "
      "using errcode = '08006'; end $$; create constraint trigger late after update on product "
      "deferrable initially deferred for each row execute function refuse()");
  const int before = pid_of(process.db);
  const ErrorTraits said = traits_of([&] { process.set_price(1, 9.0); });
  CHECK_FALSE(said.outcome_unknown);
  CHECK_FALSE(said.connection_lost);
  CHECK(said.native_code == "08006");
  CHECK(process.db.stats().in_doubt == 0);
  CHECK(pid_of(process.db) == before);
  CHECK(only(process.price(1)) == 2.5);
}

TEST_CASE("postgres errors: a refused connection is told by SQLSTATE", "[errors]") {
  const PgShop shop;
  const auto refused = [&](const std::string& url) {
    return traits_of([&] { Connection(url, {}); });
  };
  const ErrorTraits nowhere = refused(shop.server().url("no_such_database"));
  CHECK(nowhere.native_code == "3D000");
  CHECK(nowhere.connection_lost);
  shop.execute(
      "do $$ begin create role crowded login connection limit 1; exception when duplicate_object "
      "then null; end $$");
  const std::string crowded = shop.server().url(shop.name(), "crowded");
  const Connection first(crowded, {});
  const ErrorTraits second = refused(crowded);
  CHECK(second.native_code == "53300");
  CHECK(second.retryable);
  CHECK(refused("postgresql://tester@127.0.0.1:1/shop").native_code == "08006");
}

// Of a wrong password each attempt counts, where accounts are locked after some.
TEST_CASE("postgres errors: a refused connection is asked for once, and its text is the server's",
          "[errors]") {
  const PgShop shop;
  TcpGate gate(shop.server().port());
  std::atomic<int> begun{0};
  gate.set_rule(TcpGate::counting_sessions(begun));
  std::string said;
  try {
    const postgres::Log log(gate.url("no_such_database"), "shop");
  } catch (const Error& failure) {
    said = failure.what();
    CHECK(failure.native_code() == "3D000");
  }
  CHECK(begun == 1);
  CHECK_THAT(said,
             Contains("FATAL:  database \"no_such_database\" does not exist (SQLSTATE 3D000)"));
  CHECK_THAT(said, !Contains("LOCATION") && !Contains(".c:"));
}

TEST_CASE("postgres errors: a server that says nothing is given up in time", "[errors]") {
  const PgShop shop;
  TcpGate gate(shop.server().port());
  gate.set_rule([](bool, const std::string&) { return TcpGate::Verdict::drop; });
  CHECK_THROWS_WITH(Connection(gate.url(shop.name()) + "?connect_timeout=1", {}),
                    Contains("timeout expired") && Contains("08006"));
}

TEST_CASE("postgres errors: what a server notes while it is connected to is written nowhere",
          "[errors]") {
  const PgShop shop;
  shop.execute("update pg_database set datcollversion = '0' where datname = current_database()");
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> written(std::tmpfile(), &std::fclose);
  const int standard_error = ::dup(STDERR_FILENO);
  ::dup2(::fileno(written.get()), STDERR_FILENO);
  static_cast<void>(Connection(shop.url(), {}));
  ::dup2(standard_error, STDERR_FILENO);
  ::close(standard_error);
  CHECK(::lseek(::fileno(written.get()), 0, SEEK_END) == 0);
}

TEST_CASE("postgres errors: a backend that is ended is lost, whatever it said", "[errors]") {
  const PgShop shop;
  Connection connection(shop.url(), {});
  const ErrorTraits said = traits_of([&] {
    static_cast<void>(connection.query("select pg_terminate_backend(pg_backend_pid())"));
  });
  CHECK(said.native_code == "57P01");
  CHECK(said.connection_lost);
  CHECK(said.retryable);  // as one that was lost without a word
  CHECK_FALSE(connection.open());
  // A write before its COMMIT is rolled back: the server restarts, say, and the call may be repeated.
  PgProcess process(shop, one_connection());
  const ErrorTraits write = traits_of([&] {
    process.db.write([&](postgres::Transaction& tx) {
      const ResultSet own = tx.query("select pg_backend_pid()");
      shop.execute("select pg_terminate_backend(" + std::to_string(own[0][0].as<int>()) +
                   ", 10000)");
      tx.execute("update product set price = 9");
    });
  });
  CHECK(write.native_code == "57P01");
  CHECK(write.retryable);
  CHECK_FALSE(write.outcome_unknown);
  process.set_price(1, 8.0);
}

TEST_CASE("postgres errors: a statement that outlives its timeout is cancelled on the server",
          "[errors]") {
  const PgShop shop;
  postgres::Options options = PgProcess::quick();
  options.statement_timeout = 1s;
  options.connections = 2;
  PgProcess process(shop, options);
  for (int i = 0; i < 3; ++i) {
    const ErrorTraits said = traits_of([&] {
      static_cast<void>(process.db.query("select pg_sleep(3600)::text, $1::int", i).fetch());
    });
    CHECK(said.native_code == "timeout");
    CHECK(said.retryable);
  }
  shop.await(
      "select count(*) = 0 from pg_stat_activity where query like '%pg_sleep(3600)%' and "
      "pid <> pg_backend_pid() and state = 'active'");
  CHECK(only(process.price(1)) == 2.5);
}

TEST_CASE("postgres errors: COPY is refused by name, and the connection stays", "[errors]") {
  const PgShop shop;
  Connection connection(shop.url(), {});
  for (const char* sql : {"copy product from stdin", "copy product to stdout"}) {
    CAPTURE(sql);
    CHECK_THROWS_WITH(connection.run(sql), Contains("COPY needs a connection of your own"));
    CHECK_THROWS_WITH(connection.query(sql), Contains("COPY needs a connection of your own"));
    CHECK(connection.usable());
    CHECK(connection.query("select 1").size() == 1);
  }
}
