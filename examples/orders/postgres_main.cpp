#include <cstdio>
#include <cstdlib>
#include <pqxx/connection>
#include <pqxx/transaction>
#include <querymark/postgres/postgres.hpp>

#include "scenario.hpp"
#include "support/postgres_server.hpp"

// The service on PostgreSQL: the database of the URL given, or one on a private server, which makes
// it a test as well.

namespace {

using namespace orders;
using namespace std::chrono_literals;

std::string in_list(std::string_view column, std::string_view name) {
  return std::string(column) + " = any(" + std::string(name) + ")";
}

void create(qm::Database& db) {
  db.write([](qm::Transaction& tx) {
    tx.execute(
        "create table orders (id bigint primary key generated always as identity, "
        "customer text not null, status smallint not null, cents bigint not null, "
        "placed timestamptz not null)");
    tx.invalidate(qm::collection("order"));
  });
}

// A handler that has its own connection and transaction: it reads through the cache's eyes.
void borrow(qm::postgres::Database& db, const std::string& url) {
  pqxx::connection connection(url);
  pqxx::work transaction(connection);
  auto cached = db.borrow(transaction, "orders");
  const auto revenue = cached.query("select coalesce(sum(cents), 0)::bigint from orders")
                           .tag(qm::collection("order"))
                           .fetch_value<std::int64_t>();
  require(revenue == 3350, "a caller's own transaction sees what is committed");
}

void run(const std::string& url) {
  qm::postgres::migrate(url);
  qm::Cache cache({.name = "orders", .memory_bytes = 16 << 20});
  qm::Cache other_cache({.name = "orders, other instance", .memory_bytes = 16 << 20});
  qm::postgres::Database one(url, cache, {.max_lag = 5s});
  qm::postgres::Database other(url, other_cache, {.max_lag = 5s});
  create(one);
  exercise(one, other, {in_list});
  borrow(one, url);
}

void run_on_private_server() {
  auto& server = qm::test::PostgresServer::shared();
  run(server.url(server.create_bare_database()));
}

}  // namespace

int main(int count, char** arguments) {
  try {
    if (count > 1)
      run(arguments[1]);
    else
      run_on_private_server();
    return EXIT_SUCCESS;
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "orders: %s\n", failure.what());
    return EXIT_FAILURE;
  }
}
