#include "postgres_item.hpp"

#include <cstdio>
#include <pqxx/connection>
#include <pqxx/stream_to>
#include <pqxx/transaction>
#include <tuple>
#include <vector>

#include "support/postgres_server.hpp"

namespace querymark::bench {
namespace {

test::PostgresServer& server() {
  // As a server is set up out of the box: a commit is on disk before it is acknowledged.
  static test::PostgresServer one(
      {"listen_addresses=", "fsync=on", "shared_buffers=128MB", "max_connections=300"},
      test::TempDir::Where::disk);
  return one;
}

}  // namespace

Pinned::Pinned(Server where) {
  const auto only = [](std::size_t core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    return set;
  };
  sched_getaffinity(0, sizeof(client_), &client_);
  sched_getaffinity(server().pid(), sizeof(server_), &server_);
  std::vector<std::size_t> cores;
  for (std::size_t core = 0; core < CPU_SETSIZE; ++core)
    if (CPU_ISSET(core, &client_)) cores.push_back(core);
  const cpu_set_t client = only(cores.front());
  const cpu_set_t others = only(where == Server::same_core ? cores.front() : cores.back());
  if (sched_setaffinity(server().pid(), sizeof(others), &others) != 0 ||
      sched_setaffinity(0, sizeof(client), &client) != 0)
    std::fprintf(stderr, "bench: client and server could not be pinned to their cores\n");
}

Pinned::~Pinned() {
  sched_setaffinity(0, sizeof(client_), &client_);
  sched_setaffinity(server().pid(), sizeof(server_), &server_);
}

pid_t postgres_server_pid() { return server().pid(); }

bool postgres_installed() { return test::PostgresServer::installed(); }

ItemDatabase::ItemDatabase(std::uint32_t items)
    : url_(server().socket_url(server().create_database())) {
  pqxx::connection connection(url_);
  pqxx::work work(connection);
  work.exec(
      "create table item (key text primary key, id bigint not null, price float8 not null, stock "
      "bigint not null, category bigint not null);"
      "create table counter (id bigint primary key, value bigint not null) with (fillfactor = 50);"
      "insert into counter select n, 0 from generate_series(1, 10) n");
  pqxx::stream_to stream(work, "item",
                         std::vector<std::string>{"key", "id", "price", "stock", "category"});
  for (std::uint32_t number = 0; number < items; ++number) {
    const Item item = item_of(number);
    stream << std::make_tuple(std::string(key_of(number).view()), item.id, item.price, item.stock,
                              item.category);
  }
  stream.complete();
  work.exec("create index item_id on item (id); analyze item");
  work.commit();
}

postgres::Options postgres_item_options() {
  postgres::Options options;
  options.namespace_name = "bench";
  options.max_lag = std::chrono::minutes(1);
  return options;
}

}  // namespace querymark::bench
