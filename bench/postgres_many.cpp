#include <pqxx/connection>
#include <pqxx/nontransaction>
#include <pqxx/prepared_statement>
#include <pqxx/result>

#include "many.hpp"
#include "postgres_item.hpp"

// A hundred items in one call from PostgreSQL; beside it one statement through libpqxx, whose array is
// written by hand, as it is and prepared. Client and server share one core, as in `read`.

namespace querymark::bench {
namespace {

double time_postgres(const std::string& url) {
  Cache cache;
  postgres::Database database(url, cache, postgres_item_options());
  return time_fetch_many(database, kManyOnPostgres, Origin::database);
}

template <class Ask>
double time_array(Ask&& ask) {
  std::int64_t sum = 0;
  const double ns = time_calls([&](const ManyKeys& keys) {
    std::string list = "{";
    for (const std::string_view key : keys) {
      if (list.size() > 1) list += ',';
      list.append("\"").append(key).append("\"");
    }
    list += '}';
    std::vector<Item> items(keys.size());
    for (const pqxx::row& row : ask(list))
      items[row[0].as<std::size_t>() - 1] = {row[1].as<std::int64_t>(), row[2].as<double>(),
                                             row[3].as<std::int64_t>(), row[4].as<std::int64_t>()};
    for (const Item& item : items) sum += item.id;
  });
  use(sum);
  return ns;
}

}  // namespace

void fetch_many_postgres(const Options& options, Report& report) {
  if (!postgres_wanted(options, report, "fetch_many", "postgres_array_by_hand_100",
                       "postgres_array_prepared_100", "postgres_querymark_100"))
    return;
  // So many that the planner takes the index, whatever it knows of the array.
  const ItemDatabase server(200'000);
  const Pinned pinned(Pinned::Server::same_core);
  pqxx::connection connection(server.url());
  connection.prepare("many", kManyOnPostgres);
  pqxx::nontransaction plain(connection);
  const auto by_hand = [&](const std::string& list) {
    return plain.exec_params(kManyOnPostgres, list);
  };
  const auto prepared = [&](const std::string& list) { return plain.exec_prepared("many", list); };
  measure_in_turns(options, report, "fetch_many",
                   {{"postgres_array_by_hand_100", kManyCalls, [&] { return time_array(by_hand); }},
                    {"postgres_array_prepared_100", kManyCalls,
                     [&] { return time_array(prepared); }, "postgres_array_by_hand_100"},
                    {"postgres_querymark_100", kManyCalls,
                     [&] { return time_postgres(server.url()); }, "postgres_array_by_hand_100"}});
}

}  // namespace querymark::bench
