#include <pqxx/connection>
#include <pqxx/prepared_statement>
#include <pqxx/transaction>

#include "postgres_item.hpp"
#include "write_rounds.hpp"

// A write of one row on PostgreSQL: libpqxx without any outbox (BEGIN, UPDATE, COMMIT: three round
// trips) against our API with 0 to 10 intents. Client and server have a core each.

namespace querymark::bench {

void write_postgres(const Options& options, Report& report) {
  if (!postgres_wanted(options, report, "write", "postgres_plain", "postgres_0", "postgres_1",
                       "postgres_3", "postgres_10"))
    return;
  constexpr int kWrites = 300;
  const ItemDatabase server(0);
  const Pinned pinned(Pinned::Server::other_core);
  pqxx::connection connection(server.url());
  connection.prepare("set", "update counter set value = $1 where id = 1");
  Cache cache;
  postgres::Database database(server.url(), cache, postgres_item_options());
  std::vector<Writer> writers{{"postgres_plain", [&](std::int64_t value) {
                                 pqxx::work work(connection);
                                 work.exec_prepared("set", value);
                                 work.commit();
                               }}};
  for (const int intents : {0, 1, 3, 10})
    writers.push_back({"postgres_" + std::to_string(intents), write_through(database, intents)});
  measure_writers(options, report, writers, kWrites);
}

}  // namespace querymark::bench
