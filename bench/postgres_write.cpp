#include <memory>
#include <pqxx/connection>
#include <pqxx/nontransaction>
#include <pqxx/prepared_statement>
#include <pqxx/transaction>
#include <thread>

#include "postgres_item.hpp"
#include "write_rounds.hpp"

// A write of one row on PostgreSQL: libpqxx without any outbox (BEGIN, UPDATE, COMMIT: three round
// trips) against our API with 0 to 10 intents, and with one whose statement is sent and not awaited; then
// 16 threads at once, each with a row of its own. Client and server have a core each.

namespace querymark::bench {
namespace {

constexpr int kThreads = 16;

// So many writes, by all threads together.
std::function<void(int)> shared_by_threads(std::function<void(int, std::int64_t)> write) {
  return [write = std::move(write)](int times) {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t)
      threads.emplace_back([&write, t, times] {
        for (int i = t; i < times; i += kThreads) write(t, i);
      });
  };
}

struct PlainWriter {
  explicit PlainWriter(const std::string& url) : connection(url) {
    connection.prepare("set", "update counter set value = $1 where id = $2");
  }
  void write(std::int64_t value, std::int64_t id) {
    pqxx::work work(connection);
    work.exec_prepared("set", value, id);
    work.commit();
  }
  pqxx::connection connection;
};

void write_by_threads(const Options& options, Report& report, const ItemDatabase& server) {
  if (!options.wants("postgres_16_writers") && !options.wants("postgres_plain_16_writers")) return;
  std::vector<std::unique_ptr<PlainWriter>> plain;
  for (int t = 0; t < kThreads; ++t) plain.push_back(std::make_unique<PlainWriter>(server.url()));
  pqxx::nontransaction(plain[0]->connection)
      .exec("insert into counter select n, 0 from generate_series(11, 100) n");
  Cache cache;
  postgres::Options with = postgres_item_options();
  with.connections = kThreads;
  postgres::Database database(server.url(), cache, with);
  const auto through = [&](int t, std::int64_t value) {
    database.write([&](Transaction& tx) {
      tx.execute("update counter set value = $1 where id = $2", value, t + 1);
      tx.invalidate(entity("counter", value, t));
    });
  };
  const std::vector<ManyWriters> writers{
      {"postgres_plain_16_writers", shared_by_threads([&](int t, std::int64_t value) {
         plain[static_cast<std::size_t>(t)]->write(value, t + 1);
       })},
      {"postgres_16_writers", shared_by_threads(through)}};
  measure_writers(options, report, writers, kThreads * 50);
}

}  // namespace

void write_postgres(const Options& options, Report& report) {
  if (!postgres_wanted(options, report, "write", "postgres_plain", "postgres_0", "postgres_1",
                       "postgres_3", "postgres_10", "postgres_send_1", "postgres_one_shot_1",
                       "postgres_plain_16_writers", "postgres_16_writers"))
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
  writers.push_back({"postgres_send_1", [&](std::int64_t value) {
                       database.write([&](Transaction& tx) {
                         tx.send("update counter set value = $1 where id = 1", value);
                         tx.invalidate(entity("counter", value));
                       });
                     }});
  writers.push_back({"postgres_one_shot_1", [&](std::int64_t value) {
                       static_cast<void>(
                           database.write_one("update counter set value = $1 where id = 1",
                                              Parameters(value), entity("counter", value)));
                     }});
  measure_writers(options, report, writers, kWrites);
  write_by_threads(options, report, server);
}

}  // namespace querymark::bench
