// Lost connections, silent servers, and commits whose outcome is unknown. Every test ends in "and
// then it works again".

#include <atomic>
#include <catch2/catch.hpp>
#include <csignal>
#include <pqxx/nontransaction>
#include <utility>

#include "support/gated_shop.hpp"
#include "support/rows.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

struct Gated : GatedShop {
  Gated() : GatedShop(PgProcess::quick()) {}
  Receipt doubtful(double price) {
    try {
      process.set_price(1, price);
    } catch (const CommitInDoubt& doubt) {
      CHECK(doubt.outcome_unknown());
      CHECK(doubt.connection_lost());
      return doubt.receipt();
    }
    FAIL("the commit went through a cut connection");
    return {};
  }
};

}  // namespace

TEST_CASE("postgres faults: COMMIT cut before it reaches the server is in doubt, then rolled back",
          "[faults]") {
  Gated gated;
  static_cast<void>(gated.process.price(1));
  gated.cut_commits();
  const Receipt receipt = gated.doubtful(9.0);
  gated.gate.set_rule({});
  CHECK(receipt.position.value > 0);
  CHECK(gated.process.db.stats().in_doubt == 1);
  gated.await_no_transaction();
  CHECK(gated.process.db.resolve(receipt) == postgres::WriteFate::rolled_back);
  // Covered is what the position of a rolled back transaction is, too (hard case 17).
  PgProcess other(gated.shop);
  const WaitOutcome waited = other.db.wait(*Receipt::parse(receipt.str()), Wait::local(10s));
  CHECK(waited.status == WaitStatus::refused);
  CHECK_THAT(std::string(waited.reason), Catch::Contains("rolled back"));
  CHECK_FALSE(gated.process.price(1).outcome().is_hit());  // its intents were applied all the same
  CHECK(only(gated.process.price(1)) == 2.5);
  gated.process.set_price(1, 3.0);
  CHECK(only(gated.process.price(1)) == 3.0);
}

TEST_CASE("postgres faults: COMMIT whose answer is cut off is in doubt, then found committed",
          "[faults]") {
  Gated gated;
  static_cast<void>(gated.process.price(1));
  std::atomic<bool> sent{false};
  gated.gate.set_rule([&](bool to_server, const std::string& chunk) {
    if (Gated::is_commit(to_server, chunk)) sent.store(true);
    return !to_server && sent.load() ? TcpGate::Verdict::cut : TcpGate::Verdict::pass;
  });
  const Receipt receipt = gated.doubtful(9.0);
  gated.gate.set_rule({});
  CHECK(gated.process.db.resolve(receipt) == postgres::WriteFate::committed);
  CHECK(gated.process.db.wait(receipt, Wait::local(10s)).satisfied());
  CHECK(only(gated.process.price(1)) == 9.0);
}

TEST_CASE(
    "postgres faults: a doubtful commit that becomes visible later is applied again "
    "(hard case 3)",
    "[faults]") {
  Gated gated;
  // The transaction is held open after its connection is cut: COMMIT waits for this lock.
  gated.shop.execute(
      "create table gatekeeper (); create function wait_here() returns trigger language plpgsql "
      "as $$ begin lock table gatekeeper; return null; end $$;"
      "create constraint trigger late after update on product deferrable initially deferred "
      "for each row execute function wait_here()");
  pqxx::connection keeper(gated.shop.url());
  pqxx::nontransaction holding(keeper);
  holding.exec("begin; lock table gatekeeper");
  static_cast<void>(gated.process.price(1));
  std::thread cutter([&] {
    gated.shop.await(
        "select count(*) = 1 from pg_stat_activity where wait_event_type = 'Lock' and "
        "datname = '" +
        gated.shop.name() + "'");
    gated.gate.cut_all();
  });
  const Receipt receipt = gated.doubtful(9.0);
  cutter.join();
  CHECK(gated.process.db.resolve(receipt) == postgres::WriteFate::running);
  CHECK(gated.process.db.wait(receipt, Wait::local(0s)).status == WaitStatus::timed_out);
  const auto old = gated.process.price(1);
  CHECK(old[0] == 2.5);  // not visible yet, and cached again
  CHECK(gated.process.price(1).outcome().is_hit());
  holding.exec("commit");
  gated.shop.await("select price = 9 from product where id = 1");
  gated.process.db.catch_up();
  CHECK(only(gated.process.price(1)) == 9.0);
  CHECK(gated.process.db.resolve(receipt) == postgres::WriteFate::committed);
  CHECK(gated.process.db.wait(receipt, Wait::local(10s)).satisfied());
}

TEST_CASE("postgres faults: a pooled connection that died while idle costs no error", "[faults]") {
  Gated gated;
  static_cast<void>(gated.process.price(1));
  gated.gate.cut_all();
  CHECK(only(gated.process.price(2)) == 7.0);
  gated.gate.cut_all();
  gated.process.set_price(1, 4.0);
  CHECK(only(gated.process.price(1)) == 4.0);
}

TEST_CASE("postgres faults: a connection cut inside a write rolls it back", "[faults]") {
  Gated gated;
  CHECK_THROWS_AS(gated.process.db.write([&](postgres::Transaction& tx) {
    tx.execute("update product set price = 50 where id = 1");
    tx.invalidate(entity("product", 1));
    gated.gate.cut_all();
    tx.execute("update product set price = 51 where id = 1");
  }),
                  Error);
  CHECK(gated.process.db.stats().in_doubt == 0);
  CHECK(only(gated.process.price(1)) == 2.5);
  gated.process.set_price(1, 4.0);
  CHECK(only(gated.process.price(1)) == 4.0);
}

TEST_CASE(
    "postgres faults: a server that stops answering costs the log its timeout, not the "
    "process its life",
    "[faults]") {
  const PgShop shop;
  postgres::Options options = PgProcess::quick();
  options.log_timeout = 1000ms;  // enough for the doorbell's thread on a busy machine
  options.poll_interval = 1h;
  options.max_lag = 2h;
  PgProcess process(shop, options);
  await_listening(process.db);
  process.db.catch_up();  // its last statement shows which backend serves the log
  const auto stopped = static_cast<pid_t>(
      shop.number("select pid from pg_stat_activity where datname = '" + shop.name() +
                  "' and query like '%querymark.history h%upto%' and pid <> "
                  "pg_backend_pid() limit 1"));
  ::kill(stopped, SIGSTOP);
  const auto began = std::chrono::steady_clock::now();
  try {
    process.db.catch_up();
    FAIL("a stopped server answered");
  } catch (const Error& failure) {
    CHECK(failure.connection_lost());
    CHECK(failure.native_code() == "timeout");
  }
  CHECK(std::chrono::steady_clock::now() - began < 5s);
  const Receipt receipt = process.set_price(1, 8.0);  // other backends answer; the log reconnects
  CHECK(process.db.wait(receipt, Wait::local(10s)).satisfied());
  CHECK(only(process.price(1)) == 8.0);
  ::kill(stopped, SIGCONT);
}

TEST_CASE(
    "postgres faults: a server restart is survived, as another epoch: it looks like a cold copy "
    "put back",
    "[faults]") {
  PostgresServer server;
  const PgShop shop(server);
  PgProcess process(shop);
  static_cast<void>(process.price(1));
  const Epoch before = process.db.source().marks().cursor().epoch;
  server.stop(SIGINT);
  server.start();
  try {
    process.db.catch_up();
  } catch (const Error& failure) {  // whoever comes first finds the old connection dead
    REQUIRE(failure.connection_lost());
    process.db.catch_up();
  }
  CHECK(process.db.source().marks().cursor().epoch != before);
  CHECK_FALSE(process.price(1).outcome().is_hit());
  CHECK(process.price(1).outcome().is_hit());
  process.set_price(1, 4.0);
  CHECK(only(process.price(1)) == 4.0);
}

TEST_CASE(
    "postgres faults: a connection that is cut behind the answer to COMMIT costs neither that "
    "write "
    "nor the next one",
    "[faults]") {
  Gated gated;
  static_cast<void>(gated.process.price(1));
  for (int i = 0; i < 5; ++i) {
    // What clears the session is mostly answered in a piece of its own.
    gated.gate.set_rule([committed = false](bool to_server, const std::string& chunk) mutable {
      if (to_server) return TcpGate::Verdict::pass;
      const bool cuts = std::exchange(committed, chunk.find("COMMIT") != std::string::npos);
      return cuts ? TcpGate::Verdict::cut : TcpGate::Verdict::pass;
    });
    const Receipt receipt = gated.process.set_price(1, 10.0 + i);
    CHECK(gated.process.db.resolve(receipt) == postgres::WriteFate::committed);
    gated.process.set_price(1, 20.0 + i);
    gated.gate.set_rule({});
    CHECK(only(gated.process.price(1)) == 20.0 + i);
  }
  CHECK(gated.process.db.stats().in_doubt == 0);
}
