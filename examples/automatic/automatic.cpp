// Nothing is declared: triggers tell what was written, whoever wrote it, and the database says on which rows
// each query depends.

#include <SQLiteCpp/Database.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>

#include "querymark/sqlite/sqlite.hpp"

namespace qm = querymark;
using namespace std::chrono_literals;

namespace {

struct Product {
  std::int64_t id;
  std::string name;
  double price;
};

void tell(const qm::AuditFailure& failure) { fmt::print(stderr, "{}\n", failure.str()); }

bool serve(const std::string& path) {
  qm::sqlite::migrate(path);
  // Somebody else's program, which knows nothing of querymark.
  SQLite::Database elsewhere(path, SQLite::OPEN_READWRITE, 5000);
  elsewhere.exec(
      "create table product (id integer primary key, name text not null, price real not null) "
      "strict;"
      "insert into product values (7, 'tea', 2.5), (8, 'cup', 7)");
  qm::sqlite::track(path, {.tables = {"product"}});  // or: querymark track product --db sqlite:PATH

  // [open]
  qm::Cache cache({.offload = std::make_shared<qm::Offload>()});
  qm::sqlite::Database db(
      path, cache, {.tags = qm::Tags::automatic, .audit = {.share = 0.001, .on_failure = tell}});
  // [/open]
  // [query]
  auto by_id = db.prepare<Product>("select id, name, price from product where id = ?").ttl(1h);
  // [/query]
  const auto show = [&](std::int64_t id) {
    const auto product = by_id(id);
    fmt::print("{} costs {}: {}\n", product->name, product->price, product.outcome());
    return product->price;
  };
  show(7);
  show(8);
  elsewhere.exec("update product set price = 3.5 where id = 7");
  db.catch_up();  // in a moment it comes by itself
  const bool fresh = show(7) == 3.5;
  const bool precise = by_id(std::int64_t{8}).outcome().is_hit();

  // [refused]
  auto drawn = db.query("select name from product order by random() limit 1").fetch();
  const bool refused = drawn.outcome().stored == qm::Stored::unproven;
  fmt::print("not kept: {}\n", drawn.outcome().why());
  fmt::print("{}\n", db.analyse("select name from product order by random() limit 1").str());
  // [/refused]
  return fresh && precise && refused;
}

}  // namespace

int main() {
  const auto folder = std::filesystem::temp_directory_path() /
                      fmt::format("querymark-automatic-{}", std::random_device{}());
  try {
    std::filesystem::create_directory(folder);
    const bool right = serve((folder / "shop.db").string());
    std::filesystem::remove_all(folder);
    return right ? EXIT_SUCCESS : EXIT_FAILURE;
  } catch (const std::exception& failure) {
    fmt::print(stderr, "automatic: {}\n", failure.what());
    std::filesystem::remove_all(folder);
    return EXIT_FAILURE;
  }
}
