// Loads from a streaming standby: what it gives counts only where this process's marks prove it.

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdint>
#include <pqxx/nontransaction>
#include <pqxx/transaction>
#include <thread>

#include "support/await.hpp"
#include "support/pg_shop.hpp"
#include "support/rows.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

// A shop, a standby of its server, and a process that loads from that. The process looks at the log
// only when it is told to.
struct Replicated {
  enum class Of : std::uint8_t { primary, standby };
  explicit Replicated(PostgresServer& server = PostgresServer::shared(), Of of = Of::primary)
      : shop(server),
        between(of == Of::standby ? PostgresServer::standby_of(server) : nullptr),
        standby(PostgresServer::standby_of(between ? *between : server)) {
    await_listening(process.db);
    replay();
  }

  PgShop shop;
  std::unique_ptr<PostgresServer> between;  // whom the standby follows, if not the primary
  std::unique_ptr<PostgresServer> standby;
  PgProcess process{shop, options()};
  int unknown = 1000;  // products that there are not, and that nobody has asked for

  postgres::Options options() const {
    postgres::Options options = PgProcess::quick();
    options.replica_url = standby->url(shop.name());
    options.poll_interval = 1h;
    options.max_lag = 2h;
    return options;
  }
  // Everything that the primary has committed is on the standby.
  void replay() const {
    shop.execute("select pg_logical_emit_message(true, 'querymark', '')");  // and all before it
    standby->await_replay(shop.server());
  }
  void on_standby(const std::string& sql) const {
    pqxx::connection connection(standby->url(shop.name()));
    pqxx::nontransaction(connection).exec(sql);
  }
  bool is_on_standby(const std::string& sql) const {
    pqxx::connection connection(standby->url(shop.name()));
    return pqxx::nontransaction(connection).exec(sql)[0][0].as<bool>();
  }
  void await_on_standby(const std::string& sql) const {
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (!is_on_standby(sql))
      if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error("in vain: " + sql);
  }
  void pause() const {
    on_standby("select pg_wal_replay_pause()");
    await_on_standby("select pg_get_wal_replay_pause_state() = 'paused'");
  }
  void resume() const {
    on_standby("select pg_wal_replay_resume()");
    replay();
  }
  double price(std::int64_t id) { return only(process.price(id)); }
  // A load that nothing known stands in the way of.
  void load_unknown() { CHECK(process.price(++unknown).empty()); }
  std::uint64_t loads() { return process.db.replica().loads; }
  std::uint64_t failures() { return process.db.replica().failures; }
  std::uint64_t stale() { return process.cache.stats().replica_stale; }
};

}  // namespace

TEST_CASE("postgres standby: it is asked for what the cache lacks, and what it gives is kept",
          "[standby]") {
  Replicated r;
  CHECK(r.price(1) == 2.5);
  CHECK(r.loads() == 1);
  CHECK(r.process.price(1).outcome().is_hit());
  CHECK(r.loads() == 1);
  // Who passes the cache by reads the primary.
  const auto where = [&] {
    return r.process.db.query("select pg_is_in_recovery()").tag(tag("where"));
  };
  CHECK_FALSE(only(where().uncached().fetch_as<bool>()));
  CHECK_FALSE(only(where().strong().fetch_as<bool>()));
  r.process.cache.purge();
  r.process.db.write([](postgres::Transaction& tx) { tx.invalidate(tag("where")); });
  r.replay();
  CHECK(only(where().fetch_as<bool>()));
  CHECK(r.stale() == 0);
  CHECK(r.failures() == 0);
}

TEST_CASE("postgres standby: it is asked under a session's settings, too", "[standby]") {
  Replicated r;
  const auto tenant = [&](const std::string& id) {
    return r.process.db.with({{"app.tenant", id}})
        .query("select pg_is_in_recovery(), current_setting('app.tenant')")
        .tag(tag("where"))
        .fetch();
  };
  for (const std::string id : {"7", "8"}) {
    const Result read = tenant(id);
    CHECK(read[0][0].as<bool>());
    CHECK(read[0][1].as<std::string>() == id);
    CHECK(tenant(id).outcome().is_hit());
  }
  CHECK(r.loads() == 2);
  CHECK(r.failures() == 0);
  r.pause();
  r.process.db.write([](postgres::Transaction& tx) { tx.invalidate(tag("where")); });
  CHECK_FALSE(tenant("7")[0][0].as<bool>());  // the standby does not show the write
  CHECK(tenant("7")[0][1].as<std::string>() == "7");
  CHECK(r.stale() == 1);
  r.resume();
  // A function that sets another one spoils the read for the cache, and for nobody else.
  r.shop.execute(
      "create function leave(id text) returns text language sql as $$ select "
      "set_config('app.tenant', id, true) $$");
  r.replay();
  const auto query = [&] {
    return r.process.db.with({{"app.tenant", "9"}}).query("select leave('10')").tag(tag("x"));
  };
  static_cast<void>(query().fetch());
  CHECK_FALSE(query().fetch().outcome().is_hit());
  CHECK(r.process.db.with({{"app.tenant", "11"}})
            .query("select current_setting('app.tenant')")
            .tag(tag("y"))
            .fetch()[0][0]
            .as<std::string>() == "11");
}

TEST_CASE("postgres standby: a monotonic session's reads never go back with it", "[standby]") {
  Replicated r;
  r.pause();
  // Somebody writes and rings for nobody, so this process has not looked at the log since.
  const auto write = [&](const std::string& price) {
    r.shop.execute("update product set price = " + price +
                   " where id = 1; insert into querymark.log (namespace, kind, target) values "
                   "('shop', 'entity', 'product:1')");
  };
  write("9");
  UserSession user = r.process.db.user_session("").monotonic();
  const auto price = [&](auto&& query) {
    return only(std::forward<decltype(query)>(query)
                    .tag(entity("product", 1))
                    .ttl(1h)
                    .template fetch_as<double>());
  };
  const auto query = [&] {
    return r.process.db.query("select price from product where id = $1", 1);
  };
  CHECK(price(query().uncached()) == 9.0);  // sees what is committed, whatever the marks know
  CHECK(price(query()) == 2.5);             // the standby's
  CHECK(price(query().reading(user)) == 9.0);
  write("10");
  CHECK(price(query()) == 9.0);
  CHECK(price(query().reading(user)) == 10.0);
  r.resume();
}

TEST_CASE("postgres standby: what it does not show yet is read from the primary (hard case 71)",
          "[standby]") {
  Replicated r;
  r.pause();
  // An own write, and another's that this process knows of.
  r.process.set_price(1, 3.0);
  PgProcess other(r.shop);
  other.set_price(2, 8.0);
  r.process.db.catch_up();
  CHECK(r.price(1) == 3.0);
  CHECK(r.process.price(1).outcome().is_hit());
  CHECK(r.price(2) == 8.0);
  CHECK(r.stale() == 2);
  CHECK(r.price(3) == 30.0);  // nothing is known of it
  CHECK(r.loads() == 3);
  CHECK(r.stale() == 2);
  r.resume();
  r.process.set_price(1, 4.0);
  r.replay();
  CHECK(r.price(1) == 4.0);
  CHECK(r.stale() == 2);
  CHECK(r.loads() == 4);
}

TEST_CASE("postgres standby: ids above xmin may run without its snapshot saying so (hard case 70)",
          "[standby]") {
  Replicated r;
  pqxx::connection own(r.shop.url());
  pqxx::work open(own);
  open.exec("update product set price = 50 where id = 1");
  open.exec("select querymark.invalidate('shop', 'entity', 'product:1')");
  r.process.set_price(2, 8.0);  // a later id, which ends earlier
  r.replay();
  r.pause();
  open.commit();
  r.process.db.catch_up();
  CHECK(r.price(1) == 50.0);
  CHECK(r.stale() == 1);
  CHECK(r.price(2) == 8.0);  // it is there, but lies above xmin
  CHECK(r.stale() == 2);
  CHECK(r.price(3) == 30.0);
  CHECK(r.stale() == 2);
}

TEST_CASE("postgres standby: one that was promoted is asked no more (hard case 69)", "[standby]") {
  Replicated r;
  CHECK(r.price(3) == 30.0);
  CHECK(r.loads() == 1);
  r.standby->promote();
  r.on_standby("update product set price = 99");
  CHECK(r.price(1) == 2.5);
  CHECK(r.price(2) == 7.0);
  CHECK(r.loads() == 1);
  CHECK(r.failures() >= 1);
  CHECK_THAT(r.process.db.replica().last_problem, Contains("promoted"));
}

TEST_CASE("postgres standby: of another history than the process follows it proves nothing",
          "[standby]") {
  PostgresServer primary;
  Replicated r(primary);
  CHECK(r.price(1) == 2.5);
  CHECK(r.loads() == 1);
  r.pause();
  primary.stop(SIGINT);  // a clean restart begins a new epoch
  primary.start();
  catch_up(r.process);
  CHECK(r.price(1) == 2.5);
  CHECK(r.stale() == 1);
  r.resume();
  CHECK(r.price(2) == 7.0);
  CHECK(r.stale() == 1);
}

TEST_CASE("postgres standby: one that follows another standby is judged like that", "[standby]") {
  Replicated r(PostgresServer::shared(), Replicated::Of::standby);
  CHECK(r.price(1) == 2.5);
  CHECK(r.loads() == 1);
  r.pause();
  static_cast<void>(r.process.set_price(1, 3));
  r.between->await_replay(r.shop.server());
  CHECK(r.price(1) == 3.0);  // it does not show the write
  CHECK(r.stale() == 1);
  r.resume();
  CHECK(r.price(2) == 7.0);
  CHECK(r.loads() == 3);
  CHECK(r.stale() == 1);
}

TEST_CASE(
    "postgres standby: one whose own primary was promoted proves nothing once a program has opened "
    "that",
    "[standby]") {
  Replicated r(PostgresServer::shared(), Replicated::Of::standby);
  CHECK(r.price(3) == 30.0);
  CHECK(r.loads() == 1);
  r.between->promote();
  // Whoever opens it finds another history there, and says so in the database.
  PgProcess other(r.between->url(r.shop.name()), PgProcess::quick());
  static_cast<void>(other.set_price(1, 99));
  r.await_on_standby("select price = 99 from product where id = 1");
  REQUIRE(r.is_on_standby("select pg_is_in_recovery()"));
  CHECK(r.price(1) == 2.5);
  CHECK(r.price(2) == 7.0);
  CHECK(r.stale() == 2);
}

TEST_CASE("postgres standby: while it is down the primary answers", "[standby]") {
  Replicated r;
  CHECK(r.price(1) == 2.5);
  r.standby->stop(SIGINT);
  CHECK(r.price(2) == 7.0);
  CHECK(r.loads() == 1);
  CHECK(r.failures() == 1);
  CHECK_FALSE(r.process.db.replica().last_problem.empty());
  r.standby->start();
  r.replay();
  await("the standby is asked again", 20s, [&] {
    r.load_unknown();
    return r.loads() > 1;
  });
  CHECK(r.loads() == 2);
}

TEST_CASE("postgres standby: what fails there is asked of the primary, and fails alone",
          "[standby]") {
  Replicated r;
  r.pause();
  r.shop.execute("create table later as select 5 as n");
  const auto later = [&] {
    return only(r.process.db.query("select n from later").tag(tag("later")).fetch_as<int>());
  };
  CHECK(later() == 5);
  CHECK(r.failures() == 1);
  CHECK_THAT(r.process.db.replica().last_problem, Contains("later"));
  r.load_unknown();  // the standby itself is well
  CHECK(r.loads() == 1);
  CHECK_THROWS_AS(r.process.db.query("select nothing from product").tag(tag("x")).fetch(), Error);

  // Replay cancels what is in its way.
  r.shop.execute(
      "create function wait_there() returns text language plpgsql as $$ begin "
      "if pg_is_in_recovery() then perform pg_sleep(3600); end if; return 'primary'; end $$");
  r.resume();
  std::string answered;
  std::thread reader([&] {
    answered =
        only(r.process.db.query("select wait_there()").tag(tag("wait")).fetch_as<std::string>());
  });
  r.await_on_standby("select count(*) = 1 from pg_stat_activity where wait_event = 'PgSleep'");
  r.on_standby("select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'PgSleep'");
  reader.join();
  CHECK(answered == "primary");
  CHECK(r.failures() == 3);
}

TEST_CASE("postgres standby: its sessions are what the primary's are", "[standby]") {
  Replicated r;
  r.on_standby("alter system set timezone = 'Asia/Tokyo'");
  r.on_standby("alter system set bytea_output = 'escape'");
  r.on_standby("select pg_reload_conf()");
  r.await_on_standby("select current_setting('TimeZone') = 'Asia/Tokyo'");
  constexpr const char* kQuery =
      "select timestamptz '2026-01-01 00:00+00'::text, '\\x00'::bytea::text";
  const auto read = [&](PgProcess& process) {
    const Result row = process.db.query(kQuery).tag(tag("time")).fetch();
    return row[0][0].as<std::string>() + ' ' + row[0][1].as<std::string>();
  };
  PgProcess other(r.shop);
  CHECK(read(r.process) == read(other));
  CHECK(r.loads() == 1);
  CHECK(r.failures() == 0);
}

TEST_CASE("postgres standby: one that is none, or another's, is passed by", "[standby]") {
  const PgShop shop;
  postgres::Options options = PgProcess::quick();
  const PgShop another;
  for (const std::string& url :
       {shop.url(), another.url(), std::string("postgresql://127.0.0.1:1/x")}) {
    options.replica_url = url;
    PgProcess process(shop, options);
    CHECK(only(process.price(1)) == 2.5);
    CHECK(process.db.replica().loads == 0);
    CHECK(process.db.replica().failures == 1);
    CHECK_FALSE(process.db.replica().last_problem.empty());
  }
  options.replica_url = "postgresql://[";
  Cache cache;
  CHECK_THROWS_AS(postgres::Database(shop.url(), cache, options), ConfigError);
}
