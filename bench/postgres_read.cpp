#include <pqxx/connection>
#include <pqxx/nontransaction>
#include <pqxx/prepared_statement>
#include <pqxx/result>

#include "postgres_item.hpp"
#include "readings.hpp"

// What PostgreSQL takes for a read that is not cached: a prepared statement through libpqxx, over
// the unix socket. Client and server share one core: on two, the wake-up of an idle core would be
// most of the time and flatter a cache.

namespace querymark::bench {
void read_postgres(const Options& options, Report& report, Readings& readings) {
  if (!postgres_wanted(options, report, "read", "postgres_pk", "postgres_join")) return;
  const ItemDatabase server(kReadItems);
  const Pinned pinned(Pinned::Server::same_core);
  pqxx::connection connection(server.url());
  connection.prepare("by_key", std::string(kReadByKey));
  connection.prepare("join", std::string(kReadJoin));
  pqxx::nontransaction plain(connection);
  std::int64_t sum = 0;
  const auto ask = [&](const char* statement, std::uint32_t count, auto&& parameter) {
    return elapsed_ns([&] {
      for (std::uint32_t i = 0; i < count; ++i)
        for (const pqxx::row& row : plain.exec_prepared(statement, parameter(i)))
          sum += row[0].as<std::int64_t>();
    });
  };
  readings.add("postgres_pk", kReads, [&] {
    return ask("by_key", kReads, [](std::uint32_t i) { return std::string(key_of(i).view()); });
  });
  readings.add("postgres_join", kJoins,
               [&] { return ask("join", kJoins, [](std::uint32_t i) { return 50 + i; }); });
  use(sum);
}

}  // namespace querymark::bench
