// A primary, its streaming standby, and what a process does when the standby is promoted. A gate in
// front of the servers stands for the name or the proxy that is switched over.

#include <catch2/catch.hpp>
#include <csignal>
#include <pqxx/nontransaction>
#include <pqxx/transaction>
#include <thread>

#include "querymark/file_tier/file_tier.hpp"
#include "support/errors.hpp"
#include "support/patient_tier.hpp"
#include "support/pg_shop.hpp"
#include "support/rows.hpp"
#include "support/tcp_gate.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

std::string ask(const PostgresServer& server, const std::string& database, const std::string& sql) {
  pqxx::connection connection(server.url(database));
  const pqxx::result rows = pqxx::nontransaction(connection).exec(sql);
  return rows.empty() ? "" : rows[0][0].c_str();
}

// A shop on the shared server, a standby of it, and a process whose pool and whose log each go
// through a gate of their own. The process looks at the log only when it is told to.
struct Switched {
  Switched() { await_listening(process.db); }

  PgShop shop;
  std::unique_ptr<PostgresServer> standby = PostgresServer::standby_of(shop.server());
  TcpGate pool{shop.server().port()};
  TcpGate log{shop.server().port()};
  PgProcess process{pool.url(shop.name()), options()};

  postgres::Options options() const {
    postgres::Options options = PgProcess::quick();
    options.direct_url = log.url(shop.name());
    options.poll_interval = 1h;
    options.max_lag = 2h;
    return options;
  }
  std::string on_standby(const std::string& sql) const { return ask(*standby, shop.name(), sql); }
  // The old primary goes on, cut off from the standby: what it is told from now on is lost.
  void split() const {
    standby->await_replay(shop.server());
    standby->sever();
    standby->promote();
  }
  void switch_over(TcpGate& gate) const {
    gate.redirect(standby->port());
    gate.cut_all();
  }
  std::int64_t port_of_pool() {
    return only(process.db.query("select inet_server_port()").uncached().fetch_as<std::int64_t>());
  }
};

}  // namespace

TEST_CASE("failover: the primary dies, the standby is promoted, the process follows (hard case 8)",
          "[failover]") {
  PostgresServer primary;
  const PgShop shop(primary);
  const auto standby = PostgresServer::standby_of(primary);
  const std::string url = "postgresql://tester@127.0.0.1:" + std::to_string(standby->port()) +
                          ",127.0.0.1:" + std::to_string(primary.port()) + '/' + shop.name() +
                          "?target_session_attrs=read-write";
  const TempDir dir;
  PgProcess process(url, PgProcess::quick());
  process.db.attach(patient_tier(dir.file("tier")));
  CHECK(only(process.price(1)) == 2.5);
  static_cast<void>(process.price(2));
  const Receipt old = process.set_price(3, 31.0);
  static_cast<void>(process.price(3));
  const Epoch before = epoch_of(process);
  standby->await_replay(primary);
  primary.stop(SIGQUIT);
  standby->promote();

  catch_up(process);
  CHECK(epoch_of(process) != before);
  CHECK(ask(*standby, shop.name(), "select timeline from querymark.meta") == "00000002");
  CHECK(process.db.wait(old, Wait::local(10s)).status == WaitStatus::refused);
  CHECK(process.db.resolve(old) == postgres::WriteFate::unknown);
  // Neither memory nor the shared tier counts any more: their stamps are of another history.
  for (const std::int64_t id : {1, 2, 3})
    CHECK(process.price(id).outcome().origin == Origin::database);
  CHECK(only(process.price(3)) == 31.0);
  CHECK(process.price(3).outcome().is_hit());

  PgProcess other(url, PgProcess::quick());
  CHECK(epoch_of(other) == epoch_of(process));
  const Receipt fresh = other.set_price(1, 4.0);
  CHECK(process.db.wait(fresh, Wait::local(10s)).satisfied());
  CHECK(only(process.price(1)) == 4.0);
}

TEST_CASE(
    "failover: once the log has moved, no load runs on a connection to the old primary "
    "(hard case 10)",
    "[failover]") {
  Switched world;
  static_cast<void>(world.process.price(1));
  static_cast<void>(world.process.price(2));
  const Epoch before = epoch_of(world.process);
  REQUIRE(world.port_of_pool() == world.shop.server().port());
  world.split();
  world.on_standby("update product set price = 4 where id = 1");
  world.shop.execute("update product set price = 99 where id = 2");  // lost with the old primary
  world.pool.redirect(world.standby->port());  // its open connections go on, to the old primary
  CHECK(world.port_of_pool() == world.shop.server().port());
  world.switch_over(world.log);
  catch_up(world.process);
  CHECK(epoch_of(world.process) != before);
  CHECK(only(world.process.price(1)) == 4.0);
  CHECK(only(world.process.price(2)) == 7.0);
  CHECK(world.port_of_pool() == world.standby->port());
}

TEST_CASE("failover: a pool that leads elsewhere than the log is told apart, until the log follows",
          "[failover]") {
  Switched world;
  static_cast<void>(world.process.price(1));
  world.split();
  world.switch_over(world.pool);
  CHECK_THAT(message_of([&] { static_cast<void>(world.process.price(2)); }),
             Contains("leads to another server") && Contains("check the host names"));
  CHECK_THAT(message_of([&] { world.process.set_price(2, 50.0); }), Contains("another server"));
  CHECK(world.process.price(1).outcome().is_hit());  // the log still vouches for it
  world.switch_over(world.log);
  catch_up(world.process);
  CHECK(only(world.process.price(2)) == 7.0);
  world.process.set_price(2, 8.0);
  CHECK(only(world.process.price(2)) == 8.0);
  CHECK(world.on_standby("select price from product where id = 2") == "8");
}

TEST_CASE(
    "failover: a commit that the old primary acknowledges late is not remembered in the new "
    "history (hard case 5)",
    "[failover]") {
  Switched world;
  world.split();
  // The id of the late commit is still to come on the new primary.
  for (int i = 0; i < 5; ++i) world.shop.execute("select pg_current_xact_id()");
  world.pool.set_rule([](bool to_server, const std::string& chunk) {
    const bool acknowledged = !to_server && chunk.find("COMMIT") != std::string::npos;
    return acknowledged ? TcpGate::Verdict::hold : TcpGate::Verdict::pass;
  });
  Receipt late;
  std::thread writer([&] { late = world.process.set_price(1, 99.0); });
  world.pool.await_held();
  world.switch_over(world.log);
  catch_up(world.process);
  world.pool.set_rule({});
  world.pool.redirect(world.standby->port());
  static_cast<void>(world.process.price(1));
  world.pool.release();
  writer.join();
  CHECK(late.epoch != epoch_of(world.process));
  CHECK(world.process.db.source().marks().remembered() == 0);
  CHECK(only(world.process.price(1)) == 2.5);

  // The new primary gives the same id to another write of the same target.
  pqxx::connection own(world.standby->url(world.shop.name()));
  for (Position given; given < late.position;) {
    pqxx::work work(own);
    given.value = std::stoull(work.exec("select pg_current_xact_id()")[0][0].c_str());
    if (given == late.position)
      work.exec(
          "update product set price = 6 where id = 1;"
          "select querymark.invalidate('shop', 'entity', 'product:1')");
    work.commit();
  }
  catch_up(world.process);
  CHECK(only(world.process.price(1)) == 6.0);
}

TEST_CASE("failover: the timeline of the current WAL file tells a promotion at once (hard case 8)",
          "[failover]") {
  Switched world;
  world.split();
  // Were the incarnation kept, the timeline alone would have to tell.
  world.on_standby("insert into querymark.incarnation (id) select incarnation from querymark.meta");
  const Epoch before = epoch_of(world.process);
  CHECK(world.on_standby("select querymark.adopt()") != before.hex());
  CHECK(world.on_standby("select timeline from querymark.meta") == "00000002");
}

TEST_CASE("standby: opening one says that it is a standby, and what to do", "[failover]") {
  const Switched world;
  const std::string standby = world.standby->url(world.shop.name());
  Cache cache;
  CHECK_THAT(message_of([&] { postgres::Database(standby, cache); }),
             Contains("standby") && Contains("target_session_attrs=read-write"));
  // The log finds the primary, the pool does not.
  postgres::Options options = PgProcess::quick();
  options.direct_url = world.shop.url();
  CHECK_THAT(message_of([&] { postgres::Database(standby, cache, options); }),
             Contains("standby") && Contains("target_session_attrs=read-write"));
}

TEST_CASE("standby: a load in a replica's transaction is kept only if its snapshot is new enough",
          "[failover]") {
  Switched world;
  world.standby->await_replay(world.shop.server());
  world.on_standby("select pg_wal_replay_pause()");
  world.process.set_price(1, 4.0);
  pqxx::connection replica(world.standby->url(world.shop.name()));
  const auto price = [&] {
    pqxx::work work(replica);
    auto borrowed = world.process.db.borrow(work, "replica");
    const auto rows = borrowed.query("select price from product where id = 1")
                          .tag(entity("product", 1))
                          .fetch_as<double>();
    return std::pair{rows[0], rows.outcome().stored};
  };
  CHECK(price() == std::pair{2.5, Stored::not_covered});  // the caller's own choice; not kept
  world.on_standby("select pg_wal_replay_resume()");
  world.standby->await_replay(world.shop.server());
  CHECK(price() == std::pair{4.0, Stored::yes});
}
