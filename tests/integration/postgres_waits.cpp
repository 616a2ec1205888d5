// What a wait for shared targets costs the server.

#include <catch2/catch.hpp>
#include <pqxx/connection>
#include <pqxx/nontransaction>
#include <pqxx/result>

#include "postgres_sql.hpp"
#include "support/pg_shop.hpp"

using namespace querymark;
using namespace querymark::test;

TEST_CASE(
    "postgres waits: a look reads the deliveries of the positions asked for, whatever else there "
    "is",
    "[waits]") {
  const PgShop shop;
  shop.execute(
      "insert into querymark.consumer (namespace, name, epoch, cursor) "
      "select 'shop', 'tier' || i, epoch, '200000:200000:' from generate_series(1, 3) i, "
      "querymark.meta;"
      "insert into querymark.delivery (namespace, consumer, epoch, first_position, position, kind, "
      "target, state) "
      "select 'shop', 'tier' || i % 3 + 1, epoch, i::text::xid8, i::text::xid8, 'tag', 't', "
      "case when i % 2 = 0 then 'dead' else 'pending' end from generate_series(1, 100000) i, "
      "querymark.meta;"
      "analyze querymark.delivery");
  pqxx::connection connection(shop.url());
  pqxx::nontransaction plain(connection);
  plain.exec("set search_path = pg_catalog, pg_temp");
  plain.exec(postgres::sql::pin_log_session.text);
  plain.exec(std::string("prepare look (text, text, text, bigint) as ")
                 .append(postgres::sql::coverage.text));
  for (const char* mode : {"force_generic_plan", "force_custom_plan"}) {
    plain.exec(std::string("set plan_cache_mode = ") + mode);
    const auto read = [&](const std::string& from, const std::string& to) {
      int seen = 0;
      for (const auto& row : plain.exec(
               "explain (analyze, costs off, timing off, summary off) execute look ('shop', '" +
               from + "', '" + to + "', 1000)")) {
        const std::string line = row[0].c_str();
        const auto count_after = [&](std::string_view what) {
          const std::size_t at = line.find(what);
          return at == std::string::npos ? 0 : std::atoi(line.c_str() + at + what.size());
        };
        CHECK_THAT(line, !Catch::Contains("Seq Scan on delivery"));
        if (line.find("on delivery") != std::string::npos) seen += count_after("rows=");
        seen += count_after("Rows Removed by Filter: ");
      }
      return seen;
    };
    CHECK(read("99998", "100000") == 1);  // of each consumer
    CHECK(read("100001", "100050") == 0);
  }
}
