#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <querymark/sqlite/sqlite.hpp>

#include "scenario.hpp"

// The service on SQLite: one file, here in a temporary folder; it is a test as well.

namespace {

using namespace orders;
using namespace std::chrono_literals;

std::string in_list(std::string_view column, std::string_view name) {
  return std::string(column) + " in (select value from json_each(" + std::string(name) + "))";
}

void run(const std::string& path) {
  qm::sqlite::migrate(path);
  qm::Cache cache({.name = "orders", .memory_bytes = 16 << 20});
  qm::Cache other_cache({.name = "orders, other instance", .memory_bytes = 16 << 20});
  qm::sqlite::Database one(path, cache, {.max_lag = 5s});
  qm::sqlite::Database other(path, other_cache, {.max_lag = 5s});
  one.write([](qm::Transaction& tx) {
    tx.execute(
        "create table orders (id integer primary key, customer text not null, "
        "status integer not null, cents integer not null, placed text not null) strict");
    tx.invalidate(qm::collection("order"));
  });
  exercise(one, other, {in_list});
}

}  // namespace

int main() {
  std::string folder = (std::filesystem::temp_directory_path() / "orders-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) return EXIT_FAILURE;
  int status = EXIT_SUCCESS;
  try {
    run(folder + "/orders.db");
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "orders: %s\n", failure.what());
    status = EXIT_FAILURE;
  }
  std::filesystem::remove_all(folder);
  return status;
}
