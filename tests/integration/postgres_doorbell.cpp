// The doorbell's connection, and what its trouble does not do to whoever waits.

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <pqxx/nontransaction>
#include <pqxx/notification>
#include <thread>

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
  gate.set_rule(hold_all);
  postgres::NotifyDoorbell doorbell(gate.url(shop.name()), "shop", {.connect_timeout = 20s});
  const Release release{gate};
  doorbell.wait(1ms);
  gate.await_held();
  doorbell.wait(1ms);
  CHECK(doorbell.problem() == "not connected yet");  // and is still at it
  gate.set_rule({});
  gate.release();
  doorbell.wait(20s);
  CHECK(doorbell.problem().empty());
}

TEST_CASE("postgres doorbell: a wait ends on time while a ring is not answered", "[doorbell]") {
  const PgShop shop;
  TcpGate gate(shop.server().port());
  postgres::NotifyDoorbell doorbell(gate.url(shop.name()), "shop", {.statement_timeout = 20s});
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

TEST_CASE("postgres doorbell: polls go on while it can't connect", "[doorbell]") {
  const PgShop shop;
  TcpGate gate(shop.server().port());
  postgres::Options options = PgProcess::quick();
  options.direct_url = gate.url(shop.name());
  // The log's connection stands; whatever is made after it gets no answer.
  std::atomic<int> made{0};
  gate.set_rule([&](bool to_server, const std::string& chunk) {
    const bool first_words = to_server && chunk.find("application_name") != std::string::npos;
    return first_words && ++made > 1 ? TcpGate::Verdict::hold : TcpGate::Verdict::pass;
  });
  PgProcess process(shop, options);
  const Release release{gate};
  gate.await_held();
  const auto polls = process.db.stats().polls;
  shop.execute(
      "update product set price = 6 where id = 1;"
      "select querymark.invalidate('shop', 'entity', 'product:1')");
  const std::uint64_t restarts = process.db.stats().restarts;
  // More polls than one that may have been under way, while the doorbell's connect still hangs.
  while (process.db.stats().polls < polls + 3) std::this_thread::yield();
  CHECK(process.db.doorbell_problem() == "not connected yet");
  CHECK(only(process.price(1)) == 6.0);
  CHECK(process.db.stats().restarts == restarts);
}

TEST_CASE("postgres doorbell: a ring before the connection stands is sent once it does",
          "[doorbell]") {
  const PgShop shop;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"  // by libpqxx 7.10; 6.4 has no other
  struct Heard final : pqxx::notification_receiver {
    using notification_receiver::notification_receiver;
    void operator()(const std::string& payload, int) override { payloads += payload + ' '; }
    std::string payloads;
  };
#pragma GCC diagnostic pop
  pqxx::connection own(shop.url());
  Heard heard(own, "querymark");
  postgres::NotifyDoorbell doorbell(shop.url(), "shop");
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
  postgres::NotifyDoorbell doorbell(gate.url(shop.name()), "shop",
                                    {.statement_timeout = 500ms, .probe_interval = 1ms});
  doorbell.wait(20s);
  REQUIRE(doorbell.problem().empty());
  for (int i = 0; i < 20; ++i) doorbell.wait(1ms);
  CHECK(doorbell.problem().empty());  // probes are answered
  gate.set_rule([](bool, const std::string&) { return TcpGate::Verdict::drop; });
  for (int i = 0; i < 20'000 && doorbell.problem().empty(); ++i) doorbell.wait(1ms);
  CHECK(doorbell.problem() == "the server does not answer");
  gate.set_rule({});
  gate.cut_all();
  while (!doorbell.problem().empty()) doorbell.wait(1s);
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
  for (const char* setting :
       {"idle_session_timeout = 300", "idle_in_transaction_session_timeout = 1",
        "statement_timeout = 1", "lock_timeout = 1", "default_transaction_read_only = on"})
    shop.execute(std::string("alter role hasty set ") + setting);
  const std::string url = shop.server().url(shop.name(), "hasty");
  postgres::NotifyDoorbell doorbell(url, "shop");
  doorbell.wait(20s);
  CHECK(doorbell.problem().empty());
  postgres::Log log(url, "shop");
  const int pid = log.backend_pid();
  shop.await(
      "select count(*) = 2 from pg_stat_activity where usename = 'hasty' and state = 'idle' and "
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
