#include <catch2/catch.hpp>
#include <pqxx/nontransaction>
#include <pqxx/transaction>

#include "support/pg_shop.hpp"
#include "support/rows.hpp"

// What is in a key besides the SQL, and whom a key intent reaches.

namespace {

using namespace querymark;
using namespace std::chrono_literals;
using test::only;
using test::PgProcess;
using test::PgShop;

constexpr auto kPrice = "select price from product where id = $1";

postgres::Options in_time_zone(const std::string& zone) {
  postgres::Options options = PgProcess::quick();
  options.session.time_zone = zone;
  return options;
}

// Without tags: only the key's own target invalidates it.
Rows<double> price_of(PgProcess& process, int id) {
  return process.db.query(kPrice, id).ttl(1h).fetch_as<double>();
}

}  // namespace

TEST_CASE("postgres: a key intent reaches readers whose session is another", "[keys]") {
  const PgShop shop;
  PgProcess reader(shop, in_time_zone("Asia/Tokyo"));
  PgProcess writer(shop, in_time_zone("UTC"));
  CHECK(only(price_of(reader, 1)) == 2.5);
  CHECK(only(price_of(reader, 2)) != 3.5);
  CHECK(price_of(reader, 1).outcome().is_hit());
  const auto written = writer.db.write([&](auto& tx) {
    tx.execute("update product set price = 3.5 where id = 1");
    tx.invalidate(writer.db.query(kPrice, 1).key());
  });
  CHECK(reader.db.wait(written.receipt, Wait::local(10s)).satisfied());
  CHECK(only(price_of(reader, 1)) == 3.5);
  CHECK(price_of(reader, 2).outcome().is_hit());
}

TEST_CASE("postgres: a key intent as programs of version 0.1 write it flushes", "[keys]") {
  const PgShop shop;
  PgProcess reader(shop);
  CHECK(only(price_of(reader, 1)) == 2.5);
  shop.execute("update product set price = 3.5 where id = 1");
  shop.execute(
      "insert into querymark.log (namespace, kind, target) values ('shop', 'key', "
      "'sha256:' || repeat('0', 64))");
  reader.db.catch_up();
  CHECK(only(price_of(reader, 1)) == 3.5);
  CHECK(reader.db.stats().malformed_rows == 0);
}

TEST_CASE("postgres: a query's own scope does not replace that of the connection it borrows",
          "[keys]") {
  const PgShop shop;
  PgProcess process(shop);
  shop.execute("create schema special");
  shop.execute("create table special.product as select 1 as id, 99::float8 as price");
  pqxx::connection own(shop.url());
  pqxx::nontransaction(own).exec("set search_path = special, public");
  pqxx::work work(own);
  auto borrowed = process.db.borrow(work, "admin");
  const Rows<double> seen = borrowed.query(kPrice, 1).scope("tenant 7").ttl(1h).fetch_as<double>();
  REQUIRE(seen[0] == 99.0);
  REQUIRE(seen.outcome().stored == Stored::yes);
  CHECK(only(process.db.query(kPrice, 1).scope("tenant 7").ttl(1h).fetch_as<double>()) == 2.5);
  CHECK(only(price_of(process, 1)) == 2.5);
}
