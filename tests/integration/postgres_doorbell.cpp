// The doorbell's connection, and what its trouble does not do to whoever waits.

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <pqxx/nontransaction>
#include <thread>

#include "support/heard.hpp"
#include "support/pg_shop.hpp"
#include "support/rows.hpp"
#include "support/tcp_gate.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

// Held chunks go on before the gate and the doorbell end.
struct Release {
  TcpGate& gate;
  ~Release() {
    gate.set_rule({});
    gate.release();
  }
};

TcpGate::Verdict hold_all(bool, const std::string&) { return TcpGate::Verdict::hold; }

}  // namespace

TEST_CASE("postgres doorbell: a wait ends on time while the connection is being made",
          "[doorbell]") {
  const PgShop shop;
  TcpGate gate(shop.server().port());
  postgres::Log log(gate.url(shop.name()), "shop", {.connect_timeout = 20s});
  postgres::NotifyDoorbell doorbell(log);
  CHECK(doorbell.problem() == "not connected yet");
  doorbell.wait(20s);
  CHECK(doorbell.problem().empty());
  gate.cut_all();
  doorbell.wait(20s);  // it is lost
  CHECK_FALSE(doorbell.problem().empty());
  gate.set_rule(hold_all);
  std::thread reader([&] { CHECK_NOTHROW(log.now()); });
  {
    const Release release{gate};
    gate.await_held();
    doorbell.ring();
    doorbell.wait(1ms);
    CHECK_FALSE(doorbell.problem().empty());  // and is still at it
  }
  reader.join();
  CHECK(doorbell.problem().empty());
  doorbell.wait(20s);
}

TEST_CASE("postgres doorbell: a wait ends on time while a ring is not answered", "[doorbell]") {
  const PgShop shop;
  TcpGate gate(shop.server().port());
  const postgres::Log log(gate.url(shop.name()), "shop", {.statement_timeout = 20s});
  postgres::NotifyDoorbell doorbell(log);
  const Release release{gate};
  doorbell.wait(20s);
  REQUIRE(doorbell.problem().empty());
  gate.set_rule(hold_all);
  doorbell.ring();
  doorbell.wait(1ms);
  gate.await_held();
  doorbell.ring();
  doorbell.wait(1ms);
  CHECK(doorbell.problem().empty());
  doorbell.interrupt();
  doorbell.wait(20s);
  CHECK(doorbell.problem().empty());
}

TEST_CASE("postgres doorbell: what is rung for while others ask over the connection is heard",
          "[doorbell]") {
  const PgShop shop;
  postgres::Log log(shop.url(), "shop");
  postgres::NotifyDoorbell doorbell(log);
  doorbell.wait(20s);
  REQUIRE(doorbell.problem().empty());
  const int pid = log.backend_pid();

  pqxx::connection own(shop.url());
  pqxx::nontransaction holder(own);
  holder.exec("begin; lock table querymark.meta in access exclusive mode");
  std::atomic<bool> returned{false};
  std::thread reader([&] { CHECK_NOTHROW(log.now()); });
  shop.await("select count(*) = 1 from pg_stat_activity where wait_event_type = 'Lock' and pid = " +
             std::to_string(pid));
  const auto deadline = std::chrono::steady_clock::now() + 1h;
  std::thread waiter([&] {
    doorbell.wait(1h);
    returned = true;
  });
  shop.execute("select querymark.ring('shop'), querymark.ring('another')");
  CHECK_FALSE(returned);  // it comes with the answer
  holder.exec("commit");
  reader.join();
  while (!returned && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  waiter.join();
  doorbell.wait(1ms);
  shop.execute("select querymark.ring('another')");
  // Whoever asks finds nothing more to tell.
  static_cast<void>(log.now());
  CHECK_FALSE(doorbell.report_asked());
  shop.execute("select pg_notify('querymark_report', 'shop')");
  static_cast<void>(log.now());
  doorbell.wait(20s);
  CHECK(doorbell.report_asked());
}

TEST_CASE("postgres doorbell: a ring is sent by whoever uses the connection", "[doorbell]") {
  const PgShop shop;
  postgres::Log log(shop.url(), "shop");
  postgres::NotifyDoorbell doorbell(log);
  doorbell.wait(20s);
  const postgres::Log others(shop.url(), "shop");
  postgres::NotifyDoorbell heard(others);
  heard.wait(20s);
  doorbell.ring();  // nobody waits for the doorbell
  static_cast<void>(log.now());
  const auto began = std::chrono::steady_clock::now();
  heard.wait(1h);
  CHECK(std::chrono::steady_clock::now() - began < 1h);
}

TEST_CASE("postgres doorbell: the log is read while a ring waits for another's commit",
          "[doorbell]") {
  // Its commit waits for a standby that is not there, and holds the lock that NOTIFY takes.
  PostgresServer server;
  const PgShop shop(server);
  postgres::Log log(shop.url(), "shop", {.statement_timeout = 20s});
  postgres::NotifyDoorbell doorbell(log);
  doorbell.wait(20s);
  REQUIRE(doorbell.problem().empty());
  const postgres::Log others(shop.url(), "shop");
  postgres::NotifyDoorbell heard(others);
  heard.wait(20s);
  const int pid = log.backend_pid();
  shop.execute("alter system set synchronous_standby_names = nobody");
  shop.execute("select pg_reload_conf()");
  shop.await("select current_setting('synchronous_standby_names') = 'nobody'");
  std::thread stuck([&] {
    pqxx::connection own(shop.url());
    pqxx::nontransaction(own).exec(
        "begin; set local synchronous_commit = 'on'; update product set price = 1; notify another; "
        "commit");
  });
  shop.await("select count(*) = 1 from pg_stat_activity where wait_event = 'SyncRep'");
  doorbell.ring();
  doorbell.wait(1ms);
  shop.await("select count(*) = 1 from pg_stat_activity where wait_event_type = 'Lock'");
  static_cast<void>(log.now());  // after the ring has given up
  CHECK(shop.number("select count(*) from pg_stat_activity where wait_event = 'SyncRep'") == 1);

  shop.execute("select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'");
  stuck.join();
  std::atomic<bool> rung{false};
  std::thread hearer([&] {
    heard.wait(1h);
    rung = true;
  });
  while (!rung) doorbell.wait(1ms);  // it is tried again
  hearer.join();
  CHECK(log.backend_pid() == pid);
  CHECK(doorbell.problem().empty());
}

TEST_CASE("postgres doorbell: a ring before the connection stands is sent once it does",
          "[doorbell]") {
  const PgShop shop;
  pqxx::connection own(shop.url());
  Heard heard(own, "querymark");
  const postgres::Log log(shop.url(), "shop");
  postgres::NotifyDoorbell doorbell(log);
  doorbell.ring();
  doorbell.ring();
  doorbell.wait(20s);  // until it listens
  doorbell.wait(1ms);
  own.await_notification(20, 0);
  CHECK(heard.payloads == "shop ");
  // One that comes before the end of the one before is not lost.
  for (int i = 0; i < 3; ++i) {
    doorbell.ring();
    doorbell.wait(1ms);
  }
  while (std::ranges::count(heard.payloads, ' ') < 2) {
    doorbell.wait(1ms);
    own.await_notification(0, 1000);
  }
  CHECK(doorbell.problem().empty());
}

TEST_CASE("postgres doorbell: half a connection is noticed by its silence, and made anew",
          "[doorbell]") {
  const PgShop shop;
  TcpGate gate(shop.server().port());
  postgres::Log log(gate.url(shop.name()), "shop", {.statement_timeout = 500ms});
  postgres::NotifyDoorbell doorbell(log, {.probe_interval = 1ms});
  doorbell.wait(20s);
  REQUIRE(doorbell.problem().empty());
  for (int i = 0; i < 20; ++i) doorbell.wait(1ms);
  CHECK(doorbell.problem().empty());  // probes are answered
  gate.set_rule([](bool, const std::string&) { return TcpGate::Verdict::drop; });
  for (int i = 0; i < 20'000 && doorbell.problem().empty(); ++i) doorbell.wait(1ms);
  CHECK(doorbell.problem() == "the server does not answer");
  gate.set_rule({});
  gate.cut_all();
  static_cast<void>(log.now());
  CHECK(doorbell.problem().empty());
  doorbell.wait(20s);  // it listens again
  pqxx::connection own(shop.url());
  pqxx::nontransaction(own).exec("select querymark.ring('shop')");
  doorbell.wait(20s);
  CHECK(doorbell.problem().empty());
}

TEST_CASE(
    "postgres doorbell: settings of its role end neither its session or statements nor the log's",
    "[doorbell]") {
  const PgShop shop;
  shop.execute("create role hasty login in role querymark_subscriber");
  // What opens a session runs under them: it must take less, on a busy machine too.
  for (const char* setting :
       {"idle_session_timeout = 300", "idle_in_transaction_session_timeout = 1",
        "statement_timeout = 100", "lock_timeout = 1", "default_transaction_read_only = on"})
    shop.execute(std::string("alter role hasty set ") + setting);
  if (shop.number("select current_setting('server_version_num')::int") >= 170'000)
    shop.execute("alter role hasty set transaction_timeout = 200");
  const std::string url = shop.server().url(shop.name(), "hasty");
  postgres::Log log(url, "shop");
  postgres::NotifyDoorbell doorbell(log);
  doorbell.wait(20s);
  CHECK(doorbell.problem().empty());
  const int pid = log.backend_pid();
  shop.await(
      "select count(*) = 1 from pg_stat_activity where usename = 'hasty' and state = 'idle' and "
      "clock_timestamp() - state_change > interval '400 milliseconds'");
  CHECK(doorbell.problem().empty());

  // A statement that waits for a lock.
  pqxx::connection own(shop.url());
  pqxx::nontransaction holder(own);
  holder.exec("begin; lock table querymark.meta in access exclusive mode");
  std::thread waiter([&] { CHECK_NOTHROW(log.now()); });
  shop.await("select count(*) = 1 from pg_stat_activity where wait_event_type = 'Lock' and pid = " +
             std::to_string(pid) +
             " and clock_timestamp() - query_start > interval '400 milliseconds'");
  holder.exec("commit");
  waiter.join();
  CHECK(log.backend_pid() == pid);
}
