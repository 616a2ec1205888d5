// Whose transaction is it? A write knows after each statement whether what it began still stands,
// and nothing is ever committed outside it, or in its name.

#include <atomic>
#include <catch2/catch.hpp>
#include <memory>
#include <mutex>
#include <pqxx/nontransaction>
#include <set>
#include <thread>

#include "open_write.hpp"
#include "pooled_connection.hpp"
#include "support/errors.hpp"
#include "support/pg_shop.hpp"
#include "support/rows.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using postgres::OpenWrite;
using postgres::PooledConnection;

namespace {

// Owned by a global: it ends after everything that was made within main(), the server among it.
std::unique_ptr<Cache> global_cache;
std::unique_ptr<postgres::Database> global_database;

}  // namespace

TEST_CASE("postgres write: a swallowed error is named when nothing can be committed any more",
          "[write]") {
  const PgShop shop;
  PgProcess process(shop, one_connection());
  std::string said;
  try {
    process.db.write([](postgres::Transaction& tx) {
      tx.execute("update product set price = 50 where id = 1");
      tx.invalidate(entity("product", 1));
      try {
        tx.execute("insert into product (id) values ($1 / 0)", 1);
      } catch (const Error&) {  // and goes on as if nothing had been
      }
      CHECK_THROWS_WITH(tx.execute("select 2"), Contains("25P02"));  // the first is to blame
    });
  } catch (const Error& failure) {
    said = failure.what();
    CHECK(failure.native_code() == "22012");
    CHECK_FALSE(failure.outcome_unknown());
  }
  CHECK_THAT(said, Contains("nothing is committed") && Contains("insert into product (id)") &&
                       Contains("division by zero"));
  process.db.write([](postgres::Transaction& tx) {
    tx.execute("savepoint here");
    CHECK_THROWS_AS(tx.execute("select 1 / 0"), Error);
    tx.execute("rollback to savepoint here");
    tx.execute("update product set price = 4 where id = 1");
    tx.invalidate(entity("product", 1));
  });
  CHECK(only(process.price(1)) == 4.0);
}

TEST_CASE("postgres write: one whose session was idle for too long before COMMIT is not in doubt",
          "[write]") {
  const PgShop shop;
  shop.execute("alter database " + shop.name() +
               " set idle_in_transaction_session_timeout = '20ms'");
  PgProcess process(shop, one_connection());
  try {
    process.db.write([&](postgres::Transaction& tx) {
      const ResultSet self = tx.query("select pg_backend_pid()::text");
      const std::string pid(self.row(0)[0].view());
      tx.invalidate(entity("product", 1));
      shop.await("select not exists (select from pg_stat_activity where pid = " + pid + ")");
    });
    FAIL("it was committed");
  } catch (const Error& failure) {
    CHECK(failure.native_code() == "25P03");
    CHECK_FALSE(failure.outcome_unknown());
  }
  CHECK(shop.number("select count(*) from querymark.log") == 0);
}

TEST_CASE("postgres write: a write inside a write is refused, and leaves the outer one as it is",
          "[write]") {
  const PgShop shop;
  PgProcess process(shop);
  PgProcess other(shop);
  process.db.write([&](postgres::Transaction& tx) {
    tx.execute("update product set price = 4 where id = 1");
    tx.invalidate(entity("product", 1));
    CHECK_THROWS_WITH(process.set_price(2, 5.0), Contains("write() inside write()"));
    other.set_price(3, 6.0);  // another Database's is another's business
  });
  CHECK(only(process.price(1)) == 4.0);
  process.set_price(2, 5.0);
  CHECK(only(process.price(2)) == 5.0);
}

TEST_CASE("postgres write: a transaction that ends behind its back is never taken for its own",
          "[write]") {
  const PgShop shop;
  const std::vector<ParameterView> none;
  for (const char* ending : {"commit", "rollback", "commit and chain", "rollback and chain",
                             "commit; begin", "commit; begin read write; select 1"}) {
    CAPTURE(ending);
    PooledConnection connection(shop.url(), {});
    connection.settle(postgres::settings_of({}), {}, postgres::CallersTexts::prepared);
    const ResultSet begun = connection.begin(postgres::Isolation::read_committed);
    OpenWrite write(connection, begun.row(0)[2].as<std::string>());
    CHECK(write.execute("update product set price = price where id = 1", none) == 1);
    write.require_standing(nullptr);
    connection.run(ending);  // past the check of the text
    CHECK_THROWS_WITH(write.execute("update product set price = 99 where id = 2", none),
                      Contains("nothing is committed"));
    CHECK_THROWS_WITH(write.query("select 1", none), Contains("nothing is committed"));
    CHECK_THROWS_WITH(write.require_standing(nullptr), Contains("nothing is committed"));
    connection.abandon();
    CHECK(shop.number("select count(*) from product where price = 99") == 0);
  }
}

TEST_CASE("postgres write: what became of a write without intents, the server tells", "[write]") {
  const PgShop shop;
  PgProcess process(shop);
  const Receipt committed =
      process.db.write([](auto& tx) { tx.execute("update product set price = 4 where id = 1"); })
          .receipt;
  CHECK(committed.intents == 0);
  CHECK(process.db.resolve(committed) == postgres::WriteFate::committed);
  Receipt aborted = committed;
  pqxx::connection own(shop.url());
  pqxx::nontransaction plain(own);
  aborted.position.value =
      std::stoull(plain.exec("begin; select pg_current_xact_id()::text")[0][0].as<std::string>());
  CHECK(process.db.resolve(aborted) == postgres::WriteFate::running);
  plain.exec("rollback");
  CHECK(process.db.resolve(aborted) == postgres::WriteFate::rolled_back);
  Receipt never = committed;  // its transaction can't be running, since no server has begun it
  never.position.value += 1'000'000;
  CHECK(process.db.resolve(never) == postgres::WriteFate::unknown);
  never.intents = 1;
  CHECK(process.db.resolve(never) == postgres::WriteFate::unknown);
  shop.execute("truncate querymark.incarnation");  // as a crash leaves it: ids may be given anew
  CHECK(process.db.resolve(committed) == postgres::WriteFate::unknown);
}

TEST_CASE("postgres write: a session that has lost what it prepared goes on writing", "[write]") {
  const PgShop shop;
  shop.execute(
      "create function forget() returns void language plpgsql as $$ begin execute 'deallocate "
      "all'; end $$");
  PgProcess process(shop, one_connection());
  process.db.write([](postgres::Transaction& tx) {
    tx.execute("do $$ begin execute 'deallocate all'; end $$");
    tx.execute("update product set price = 4 where id = 1");
    tx.invalidate(entity("product", 1));
  });
  CHECK(only(process.price(1)) == 4.0);
  // Hidden in a function it is found too late for this write, and harms no other.
  CHECK_THROWS_WITH(process.db.write([](postgres::Transaction& tx) {
    static_cast<void>(tx.query("select forget()"));
    tx.invalidate(entity("product", 1));
  }),
                    Contains("26000"));
  process.set_price(1, 5.0);
  CHECK(only(process.price(1)) == 5.0);
}

TEST_CASE("postgres write: a schema that moves under prepared statements costs no write",
          "[write]") {
  const PgShop shop;
  PgProcess process(shop, one_connection());
  process.set_price(1, 3.0);
  shop.execute(
      "alter table querymark.meta add column later int; alter table querymark.meta drop "
      "column later; alter table querymark.log add column later int");
  process.set_price(1, 5.0);
  CHECK(only(process.price(1)) == 5.0);
}

TEST_CASE("postgres write: a pool that the server limits throws none of its connections away",
          "[write]") {
  const PgShop shop;
  shop.execute(
      "do $$ begin create role limited login connection limit 2; exception when duplicate_object "
      "then null; end $$; grant querymark_subscriber, querymark_writer to limited; grant select "
      "on product to limited");
  postgres::Options options = PgProcess::quick();
  options.connections = 6;
  options.patience = 60s;
  options.direct_url = shop.url();
  PgProcess process(shop.server().url(shop.name(), "limited"), options);
  std::atomic<int> failed{0};
  std::mutex mutex;
  std::set<int> backends;
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i) try {
          const Result read =
              process.db.query("select pg_backend_pid(), $1::int", t * 100 + i).fetch();
          const std::lock_guard lock(mutex);
          backends.insert(read[0][0].as<int>());
        } catch (const Error&) {  // counted, and checked below
          ++failed;
        }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(failed == 0);
  CHECK(backends.size() <= 2);
}

TEST_CASE("postgres write: a database that a global owns ends with the process", "[write]") {
  const PgShop shop;
  postgres::Options options = PgProcess::quick();
  options.poll_interval = 1ms;
  global_cache = std::make_unique<Cache>(CacheOptions{.memory_bytes = 64U << 20U});
  global_database = std::make_unique<postgres::Database>(shop.url(), *global_cache, options);
  CHECK(only(global_database->query("select price from product where id = 1").fetch_as<double>()) ==
        2.5);
}

TEST_CASE("postgres write: one that triggers add nothing to reads nothing of the log", "[write]") {
  const PgShop shop;
  postgres::Options options = one_connection();
  options.poll_interval = 60s;
  options.max_lag = 300s;
  PgProcess process(shop, options);
  await_listening(process.db);
  process.set_price(1, 3.0);
  const std::uint64_t polls = process.db.stats().polls;
  for (const postgres::Isolation isolation :
       {postgres::Isolation::read_committed, postgres::Isolation::serializable})
    for (int intents = 0; intents < 4; ++intents) {
      const Receipt receipt =
          process.db
              .write(
                  [&](postgres::Transaction& tx) {
                    tx.execute("update product set price = price + 1 where id = 1");
                    for (int i = 0; i < intents; ++i) tx.invalidate(entity("product", i));
                  },
                  {.isolation = isolation})
              .receipt;
      CHECK(process.db.wait(receipt, Wait::local(0ms)).satisfied());
    }
  CHECK(process.db.stats().polls == polls);
}

TEST_CASE(
    "postgres write: what triggers put into the log is applied before write() returns (hard cases "
    "4, 65)",
    "[write]") {
  const PgShop shop;
  shop.execute(
      "create function intend() returns trigger language plpgsql as $$ begin "
      "insert into querymark.log (namespace, kind, target) values ('shop', 'tag', 'told'); "
      "return null; end $$; "
      "create table noted (n int); "
      "create function note() returns trigger language plpgsql as $$ begin "
      "insert into noted values (1); return null; end $$");
  std::string made =
      "create trigger told after update on product for each row execute function intend()";
  SECTION("at once") {}
  SECTION("and the server counts no rows") {
    shop.execute(
        "do $$ begin execute format('alter database %I set track_counts = off', "
        "current_database()); end $$");
  }
  SECTION("at the commit") {
    made =
        "create constraint trigger told after update on product deferrable initially deferred "
        "for each row execute function intend()";
  }
  SECTION("at the commit, and deferred once more") {
    made =
        "create constraint trigger first after update on product deferrable initially deferred "
        "for each row execute function note(); "
        "create constraint trigger told after insert on noted deferrable initially deferred "
        "for each row execute function intend()";
  }
  shop.execute(made);
  postgres::Options options = one_connection();
  options.poll_interval = 60s;
  options.max_lag = 300s;
  PgProcess process(shop, options);
  await_listening(process.db);
  const auto query = [&] {
    return process.db.query("select price from product where id = 1").tag(tag("told")).fetch();
  };
  for (const bool declares : {true, false}) {
    CAPTURE(declares);
    static_cast<void>(query());
    CHECK(query().outcome().is_hit());
    process.db.write([&](postgres::Transaction& tx) {
      tx.execute("update product set price = price + 1 where id = 1");
      if (declares) tx.invalidate(tag("another"));
    });
    CHECK_FALSE(query().outcome().is_hit());
  }
}

TEST_CASE(
    "postgres write: of three that are SERIALIZABLE and meet in the log none fails for another's "
    "sake (hard case 64)",
    "[write]") {
  const PgShop shop;
  shop.execute(
      "create table noted (n bigint); "
      "create function hold() returns trigger language plpgsql as $$ begin "
      "perform pg_advisory_xact_lock(new.n); "
      "insert into querymark.log (namespace, kind, target) values ('shop', 'tag', 'noted'); "
      "return null; end $$; "
      "create constraint trigger hold after insert on noted deferrable initially deferred "
      "for each row execute function hold()");
  PgProcess process(shop);
  await_listening(process.db);
  const auto noted = [&] {
    return process.db.query("select count(*) from noted").tag(tag("noted")).fetch();
  };
  static_cast<void>(noted());
  pqxx::connection own(shop.url());
  pqxx::nontransaction holder(own);
  holder.exec("select pg_advisory_lock(n) from generate_series(1, 3) n");
  std::mutex mutex;
  std::vector<std::string> failures;
  std::vector<std::thread> writers;
  // Each has put its intent into the log, and stands in the middle of its COMMIT, when the next
  // one begins.
  for (std::int64_t n = 1; n <= 3; ++n) {
    writers.emplace_back([&, n] {
      try {
        process.db.write(
            [&](postgres::Transaction& tx) {
              tx.execute("insert into noted values ($1)", n);
              tx.invalidate(tag("another"));
            },
            {.isolation = postgres::Isolation::serializable});
        if (noted().outcome().is_hit()) throw Error("what its trigger intends was not applied");
      } catch (const Error& failure) {  // looked at below
        const std::lock_guard lock(mutex);
        failures.emplace_back(failure.what());
      }
    });
    shop.await("select count(*) = " + std::to_string(n) +
               " from pg_locks where locktype = 'advisory' and not granted");
  }
  for (std::int64_t n = 3; n >= 1; --n) {
    holder.exec("select pg_advisory_unlock(" + std::to_string(n) + ")");
    writers[static_cast<std::size_t>(n - 1)].join();
  }
  CHECK(failures == std::vector<std::string>{});
  CHECK(shop.number("select count(*) from noted") == 3);
}

TEST_CASE("postgres write: rows of the transaction that were rolled back harm nothing", "[write]") {
  const PgShop shop;
  PgProcess process(shop, one_connection());
  process.db.write([](postgres::Transaction& tx) {
    tx.execute("savepoint here");
    tx.execute("insert into querymark.log (namespace, kind, target) values ('shop', 'tag', 'x')");
    tx.execute("rollback to savepoint here");
    tx.execute("update product set price = 4 where id = 1");
    tx.invalidate(entity("product", 1));
  });
  CHECK(only(process.price(1)) == 4.0);
}
