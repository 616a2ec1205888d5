// What reaches a client late, in part or out of order: the gates in front of the server hold back
// or halve a message at a chosen step. Every test ends in "and then it works again".

#include <unistd.h>
#include <atomic>
#include <catch2/catch.hpp>
#include <fstream>
#include <pqxx/connection>
#include <thread>

#include "support/pg_shop.hpp"
#include "support/rows.hpp"
#include "support/tcp_gate.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

// One gate in front of the pool, another in front of the log. The process looks at the log only
// after an own write, and when it is told to.
struct Gated {
  explicit Gated(std::chrono::milliseconds statement_timeout = 0ms, Cache* other_cache = nullptr)
      : process_cache(other_cache != nullptr ? *other_cache : own_cache),
        db(pool.url(shop.name()), process_cache, options(statement_timeout)) {
    await_listening(db);
  }

  postgres::Options options(std::chrono::milliseconds statement_timeout) const {
    postgres::Options options = PgProcess::quick();
    options.direct_url = log.url(shop.name());
    options.poll_interval = 1h;
    options.max_lag = 2h;
    options.statement_timeout = statement_timeout;
    return options;
  }
  Rows<double> price(std::int64_t id) {
    return db.query("select price from product where id = $1", id)
        .tag(entity("product", id))
        .fetch_as<double>();
  }
  Receipt set_price(std::int64_t id, double price) {
    return db
        .write([&](postgres::Transaction& tx) {
          tx.execute("update product set price = $1 where id = $2", price, id);
          tx.invalidate(entity("product", id));
        })
        .receipt;
  }
  // A program without the library, which rings nobody.
  void set_elsewhere(std::int64_t id, double price) const {
    const std::string key = std::to_string(id);
    shop.execute("begin; update product set price = " + std::to_string(price) +
                 " where id = " + key +
                 "; select querymark.invalidate('shop', 'entity', 'product:" + key + "'); commit");
  }
  Marks& marks() { return db.source().marks(); }
  // Applies `verdict` to the answers of the tail, which name the epoch: to the first, or to all.
  void tail_answers(TcpGate::Verdict verdict, bool all) {
    log.set_rule([verdict, all, epoch = marks().cursor().epoch.hex(), done = false](
                     bool to_server, const std::string& chunk) mutable {
      if (to_server || done || chunk.find(epoch) == std::string::npos)
        return TcpGate::Verdict::pass;
      done = !all;
      return verdict;
    });
  }

  PgShop shop;
  TcpGate pool{shop.server().port()};
  TcpGate log{shop.server().port()};
  Cache own_cache{{.memory_bytes = 64U << 20U}};
  Cache& process_cache;
  postgres::Database db;
};

TcpGate::Verdict hold_acknowledgement(bool to_server, const std::string& chunk) {
  return !to_server && chunk.find("COMMIT") != std::string::npos ? TcpGate::Verdict::hold
                                                                 : TcpGate::Verdict::pass;
}
// Not what prepares it.
TcpGate::Verdict hold_commit(bool to_server, const std::string& chunk) {
  const bool commits = to_server && chunk.find("querymark_commit") != std::string::npos &&
                       chunk.find("begin isolation level") == std::string::npos;
  return commits ? TcpGate::Verdict::hold : TcpGate::Verdict::pass;
}

// Returns once the thread sleeps, as one that waits for a lock does.
void await_asleep(const std::atomic<pid_t>& thread) {
  for (std::string state; state != "S"; std::this_thread::yield()) {
    if (thread == 0) continue;
    std::ifstream status("/proc/self/task/" + std::to_string(thread) + "/stat");
    std::string skipped;
    status >> skipped >> skipped >> state;
  }
}

}  // namespace

TEST_CASE(
    "postgres protocol: the log shows an own commit before its acknowledgement: applied once "
    "(hard case 5)",
    "[protocol]") {
  Gated gated;
  static_cast<void>(gated.price(1));
  gated.pool.set_rule(hold_acknowledgement);
  std::thread writer([&] { gated.set_price(1, 9.0); });
  gated.pool.await_held();
  gated.db.catch_up();
  CHECK(only(gated.price(1)) == 9.0);
  gated.pool.set_rule({});
  gated.pool.release();
  writer.join();
  CHECK(gated.price(1).outcome().is_hit());
  CHECK(gated.marks().remembered() == 0);
}

TEST_CASE("postgres protocol: nothing is remembered before COMMIT returns (hard case 5)",
          "[protocol]") {
  Gated gated;
  gated.pool.set_rule(hold_commit);
  std::thread writer([&] { gated.set_price(1, 9.0); });
  gated.pool.await_held();
  CHECK(gated.marks().remembered() == 0);
  CHECK(only(gated.price(1)) == 2.5);
  gated.db.catch_up();
  CHECK(gated.price(1).outcome().is_hit());
  gated.pool.set_rule({});
  gated.pool.release();
  writer.join();
  CHECK(only(gated.price(1)) == 9.0);
}

TEST_CASE(
    "postgres protocol: an own commit that the log shows late is skipped, another's to the same "
    "target is not (hard case 4)",
    "[protocol]") {
  Gated gated;
  gated.tail_answers(TcpGate::Verdict::cut, true);
  CHECK_THROWS_AS(gated.db.catch_up(), Error);  // so writes do not look at it themselves
  gated.set_price(1, 9.0);
  gated.set_price(2, 8.0);
  CHECK(gated.marks().remembered() == 2);
  CHECK(only(gated.price(1)) == 9.0);
  CHECK(only(gated.price(2)) == 8.0);
  gated.set_elsewhere(2, 80.0);
  gated.log.set_rule({});
  gated.db.catch_up();
  CHECK(gated.marks().remembered() == 0);
  CHECK(gated.price(1).outcome().is_hit());
  CHECK(only(gated.price(2)) == 80.0);
}

TEST_CASE(
    "postgres protocol: who catches up while an older poll is under way is not content with that "
    "one (hard case 26)",
    "[protocol]") {
  Gated gated;
  static_cast<void>(gated.price(1));
  gated.tail_answers(TcpGate::Verdict::hold, false);
  std::thread first([&] { gated.db.catch_up(); });
  gated.log.await_held();
  gated.set_elsewhere(1, 9.0);
  std::atomic<pid_t> late{0};
  double seen = 0;
  std::thread second([&] {
    late = ::gettid();
    gated.db.catch_up();
    seen = only(gated.price(1));
  });
  await_asleep(late);
  gated.log.release();
  first.join();
  second.join();
  CHECK(seen == 9.0);
}

TEST_CASE("postgres protocol: a confirmed receipt needs coverage only, also when the log is pruned",
          "[protocol]") {
  Gated gated;
  PgProcess other(gated.shop);
  const Receipt receipt = gated.set_price(1, 9.0);
  gated.shop.execute(
      "update querymark.meta set floor = pg_snapshot_xmin(pg_current_snapshot());"
      "delete from querymark.log");
  CHECK(other.db.wait(receipt, Wait::local(10s)).satisfied());
  CHECK(only(other.price(1)) == 9.0);
}

TEST_CASE("postgres protocol: COMMIT's answer comes after the client's timeout", "[protocol]") {
  Gated gated(1000ms);
  static_cast<void>(gated.price(1));
  gated.pool.set_rule(hold_acknowledgement);
  Receipt receipt;
  try {
    gated.set_price(1, 9.0);
    FAIL("the answer was held back");
  } catch (const CommitInDoubt& doubt) {
    CHECK(doubt.native_code() == "timeout");
    CHECK_THAT(doubt.what(), Contains("did not answer within 1000 ms") &&
                                 Contains(std::to_string(gated.pool.port())));
    receipt = doubt.receipt();
  }
  CHECK(gated.db.stats().in_doubt == 1);
  CHECK(only(gated.price(1)) == 9.0);  // it was committed, and its intents were applied
  gated.pool.set_rule({});
  gated.pool.release();
  CHECK(gated.db.resolve(receipt) == postgres::WriteFate::committed);
  CHECK(gated.db.wait(receipt, Wait::local(10s)).satisfied());
  gated.set_price(1, 10.0);
  CHECK(only(gated.price(1)) == 10.0);
}

TEST_CASE("postgres protocol: COMMIT itself arrives after the client has given it up",
          "[protocol]") {
  Gated gated(1000ms);
  static_cast<void>(gated.price(1));
  gated.pool.set_rule(hold_commit);
  Receipt receipt;
  try {
    gated.set_price(1, 9.0);
    FAIL("COMMIT was held back");
  } catch (const CommitInDoubt& doubt) {
    receipt = doubt.receipt();
  }
  CHECK(gated.db.resolve(receipt) == postgres::WriteFate::running);
  CHECK(only(gated.price(1)) == 2.5);  // loaded and kept while it runs
  CHECK(gated.price(1).outcome().is_hit());
  gated.pool.set_rule({});
  gated.pool.release();
  gated.shop.await("select price = 9 from product where id = 1");
  CHECK(gated.db.wait(receipt, Wait::local(10s)).satisfied());
  CHECK(only(gated.price(1)) == 9.0);
}

TEST_CASE(
    "postgres protocol: a tail whose answers arrive in part is lost, then bypassed, and heals",
    "[protocol]") {
  ManualClock clock;
  Cache cache{{.memory_bytes = 64U << 20U, .clock = &clock}};
  Gated gated(0ms, &cache);
  static_cast<void>(gated.price(1));
  gated.tail_answers(TcpGate::Verdict::truncate, true);
  gated.set_elsewhere(1, 9.0);
  try {
    gated.db.catch_up();
    FAIL("half an answer was taken for one");
  } catch (const Error& failure) {
    CHECK(failure.connection_lost());
    CHECK_THAT(failure.what(), Contains(std::to_string(gated.log.port())));
  }
  CHECK(gated.price(1).outcome().is_hit());  // within max_lag
  clock.advance(3h);
  const auto direct = gated.price(1);
  CHECK(direct[0] == 9.0);
  CHECK(direct.outcome().stored == Stored::lagging);
  gated.log.set_rule({});
  gated.db.catch_up();
  CHECK(only(gated.price(1)) == 9.0);
  CHECK(gated.price(1).outcome().is_hit());
}

TEST_CASE("postgres protocol: a fill whose answer arrives in part stores nothing", "[protocol]") {
  Gated gated;
  static_cast<void>(gated.price(2));
  const auto truncate = [&](bool all) {
    gated.pool.set_rule([all, done = false](bool to_server, const std::string& chunk) mutable {
      if (to_server || done || chunk.find("price") == std::string::npos)
        return TcpGate::Verdict::pass;
      done = !all;
      return TcpGate::Verdict::truncate;
    });
  };
  truncate(true);
  try {
    static_cast<void>(gated.price(1));
    FAIL("half an answer was taken for one");
  } catch (const Error& failure) {
    CHECK(failure.connection_lost());
    CHECK_THAT(failure.what(), Contains(std::to_string(gated.pool.port())));
  }
  CHECK(gated.price(2).outcome().is_hit());
  truncate(false);
  const auto repeated = gated.price(1);  // once, on a new connection
  CHECK(repeated[0] == 2.5);
  CHECK(repeated.outcome().status == ReadStatus::miss);
  CHECK(gated.price(1).outcome().is_hit());
  gated.set_price(1, 4.0);
  CHECK(only(gated.price(1)) == 4.0);
}
