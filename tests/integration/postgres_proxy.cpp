// A pooling proxy that lends server sessions per transaction. The pool may go through it; the log
// and LISTEN need the server itself.

#include <catch2/catch.hpp>
#include <pqxx/nontransaction>
#include <pqxx/transaction>

#include "support/await.hpp"
#include "support/errors.hpp"
#include "support/pg_bouncer.hpp"
#include "support/pg_shop.hpp"
#include "support/rows.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

struct Proxied {
  PgShop shop;
  PgBouncer bouncer{shop.server()};

  std::string url() const { return bouncer.url(shop.name()); }
  postgres::Options options() const {
    postgres::Options options = PgProcess::quick();
    options.direct_url = shop.url();
    return options;
  }
};

}  // namespace

TEST_CASE("postgres proxy: without a direct connection the log refuses and names the remedy",
          "[proxy]") {
  const Proxied proxied;
  Cache cache;
  CHECK_THAT(message_of([&] { postgres::Database(proxied.url(), cache); }),
             Contains("pooling proxy") && Contains("direct_url"));
  postgres::Options wrong = proxied.options();
  wrong.direct_url = proxied.url();
  CHECK_THAT(message_of([&] { postgres::Database(proxied.shop.url(), cache, wrong); }),
             Contains("pooling proxy") && Contains("direct_url"));
}

TEST_CASE("postgres proxy: LISTEN behind it is refused with the remedy", "[proxy]") {
  const Proxied proxied;
  CHECK_THAT(message_of([&] { postgres::Log(proxied.url(), "shop"); }),
             Contains("pooling proxy") && Contains("direct_url"));
  const postgres::Log log(proxied.shop.url(), "shop");
  postgres::NotifyDoorbell direct(log);
  direct.wait(20s);  // until it listens
  CHECK(direct.problem().empty());
}

TEST_CASE("postgres proxy: with a direct connection for the log all works, doorbell included",
          "[proxy]") {
  const Proxied proxied;
  postgres::Options rarely = proxied.options();
  rarely.poll_interval = 1h;
  rarely.max_lag = 2h;
  PgProcess reader(proxied.url(), rarely);
  PgProcess writer(proxied.url(), rarely);
  await_listening(reader.db);
  await_listening(writer.db);
  CHECK(only(reader.price(1)) == 2.5);
  CHECK(reader.price(1).outcome().is_hit());
  const std::uint64_t polls = reader.db.stats().polls;
  const Receipt receipt = writer.set_price(1, 4.0);
  CHECK(only(writer.price(1)) == 4.0);
  await("the doorbell was heard", 10s, [&] { return reader.db.stats().polls > polls; });
  CHECK(reader.db.wait(receipt, Wait::local(10s)).satisfied());
  CHECK(only(reader.price(1)) == 4.0);
  CHECK_THROWS_AS(reader.db.query("select 1 / 0").fetch(), Error);
  CHECK(only(reader.price(2)) == 7.0);  // the lent session was given back in order
}

TEST_CASE("postgres proxy: each load and write has its own settings, and leaves none behind",
          "[proxy]") {
  const Proxied proxied;
  proxied.shop.execute(
      "create schema other; create table other.product as select * from product; "
      "update other.product set price = 100");
  Cache cache{{.memory_bytes = 64U << 20U}};
  postgres::Options options = proxied.options();
  postgres::Database mine(proxied.url(), cache, options);
  options.session.search_path = "other, public";
  postgres::Database theirs(proxied.url(), cache, options);
  const auto price = [](postgres::Database& db, std::int64_t id) {
    const auto rows = db.query("select price from product where id = $1", id).fetch_as<double>();
    return rows[0];
  };
  for (const std::int64_t id : {1, 2, 3}) {  // through one server session in turn
    CHECK(price(theirs, id) == 100.0);
    CHECK(price(mine, id) < 100.0);
  }
  theirs.write([](auto& tx) { tx.execute("update product set price = 200 where id = 1"); });
  mine.write([](auto& tx) { tx.execute("update product set price = 5 where id = 1"); });
  CHECK(proxied.shop.number("select price from other.product where id = 1") == 200);
  CHECK(proxied.shop.number("select price from public.product where id = 1") == 5);
  const auto prepared = mine.query("select count(*) from pg_prepared_statements").fetch_as<int>();
  CHECK(prepared[0] == 0);

  pqxx::connection plain(proxied.url());  // another program's
  const auto set = [&](const std::string& name) {
    return std::string(pqxx::nontransaction(plain).exec("show " + name)[0][0].c_str());
  };
  CHECK(set("search_path") == "\"$user\", public");
  CHECK(set("default_transaction_read_only") == "off");
  CHECK(set("enable_seqscan") == "on");
}

TEST_CASE("postgres proxy: a caller's settings are for those that each of us pins", "[proxy]") {
  const Proxied proxied;
  constexpr const char* kTenant = "select current_setting('app.tenant', true)";
  const auto text = [](DatabaseSession db, const char* sql) {
    return only(db.query(sql).fetch_as<std::optional<std::string>>());
  };
  Cache cache{{.memory_bytes = 64U << 20U}};
  postgres::Options options = proxied.options();
  {
    postgres::Database db(proxied.url(), cache, options);
    CHECK_THAT(message_of([&] { text(db.with({{"app.tenant", "1"}}), kTenant); }),
               Contains("app.tenant") && Contains("Options::session.settings"));
    CHECK(text(db.with({}), kTenant) == std::nullopt);
  }
  options.session.settings = {{"app.tenant", ""}};
  postgres::Database db(proxied.url(), cache, options);
  CHECK(text(db.with({{"app.tenant", "1"}}), kTenant) == "1");
  CHECK(text(db.with({{"app.tenant", "2"}}), kTenant) == "2");
  CHECK(text(db.with({}), kTenant) == "");
  const auto written = db.with({{"app.tenant", "3"}}).write([&](Transaction& tx) {
    const ResultSet seen = tx.query(kTenant);
    return seen.row(0)[0].as<std::string>();
  });
  CHECK(written.value == "3");
}

TEST_CASE("postgres proxy: where it comes to lead elsewhere, each load finds out", "[proxy]") {
  const Proxied proxied;
  postgres::Options rarely = proxied.options();
  rarely.poll_interval = 1h;
  rarely.max_lag = 2h;
  PgProcess process(proxied.url(), rarely);
  await_listening(process.db);
  static_cast<void>(process.price(1));
  const Epoch before = process.db.source().marks().cursor().epoch;
  proxied.shop.execute("truncate querymark.incarnation");
  proxied.shop.execute("select querymark.adopt()");  // another process was first
  CHECK(only(process.price(2)) == 7.0);              // on the standing client connection
  CHECK(process.db.source().marks().cursor().epoch != before);
  CHECK_FALSE(process.price(1).outcome().is_hit());
}

TEST_CASE("postgres proxy: what is sent unawaited goes through it, and fails by its own name",
          "[proxy]") {
  const Proxied proxied;
  PgProcess process(proxied.url(), proxied.options());
  const std::string sql = "update product set price = $1 where id = 1";
  for (int i = 0; i < 3; ++i) {
    CHECK(process.db.write_one(sql, Parameters(3.0 + i), entity("product", 1)).value == 1);
    CHECK(only(process.price(1)) == 3.0 + i);
    CHECK_THROWS_WITH(process.db.write([&](postgres::Transaction& tx) {
      tx.send(sql, 9.0);
      tx.send("insert into product (id, name, price) values (1, 'twice', 1)");
      tx.invalidate(entity("product", 1));
    }),
                      Contains("23505") && Contains("insert into product (id"));
  }
  CHECK(only(process.price(1)) == 5.0);
  CHECK(process.db.stats().in_doubt == 0);
}

TEST_CASE("postgres proxy: what it says of itself comes with what to do", "[proxy]") {
  const PgShop shop;
  const PgBouncer busy(shop.server(), "query_wait_timeout = 1\n");
  postgres::Options options = PgProcess::quick();
  options.direct_url = shop.url();
  PgProcess process(busy.url(shop.name()), options);
  {
    pqxx::connection other(busy.url(shop.name()));
    pqxx::work holds_its_only_session(other);
    holds_its_only_session.exec("select 1");
    CHECK_THROWS_WITH(process.set_price(1, 6.0),
                      Contains("query_wait_timeout") && Contains("default_pool_size"));
  }
  const PgBouncer statements(shop.server(), "pool_mode = statement\n");
  CHECK_THROWS_WITH(PgProcess(statements.url(shop.name()), options), Contains("pool_mode must be"));
}
