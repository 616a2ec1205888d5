// [readme]
#include <fmt/format.h>
#include <querymark/sqlite/sqlite.hpp>

namespace qm = querymark;
using namespace std::chrono_literals;

struct Product {
  std::int64_t id;
  std::string name;
  double price;
};

bool shop(const std::string& path) {
  qm::sqlite::migrate(path);  // or from the shell: querymark migrate --db sqlite:shop.db
  qm::Cache cache{{.name = "shop", .memory_bytes = 64 << 20}};
  qm::sqlite::Database db{path, cache, {.max_lag = 5s}};

  db.write([](auto& tx) {
    tx.execute("create table product (id integer primary key, name text, price real) strict");
    tx.execute("insert into product values (7, 'teapot', 9.5), (8, 'kettle', 24.0)");
    tx.invalidate(qm::collection("product"));
  });

  for (int i = 0; i < 2; ++i) {  // the first read is a miss, the second a hit from memory
    qm::Result cheap = db.query("select name, price from product where price < ?", 10.0)
                           .tag(qm::collection("product"))
                           .ttl(5min)
                           .fetch();
    for (auto row : cheap) fmt::print("{} {}\n", row["name"].view(), row["price"].as<double>());
    fmt::print("  {}\n", cheap.outcome());
  }

  auto by_id = db.prepare<Product>("select id, name, price from product where id = ?")
                   .tag([](std::int64_t id) { return qm::entity("product", id); })
                   .ttl(5min);
  qm::Rows<Product> before = by_id(7);  // rows as objects; memory keeps the objects

  auto written = db.write([&](auto& tx) {  // data and intents in one transaction
    tx.execute("update product set price = ? where id = ?", 12.5, 7);
    tx.invalidate(qm::entity("product", 7)).invalidate(qm::collection("product"));
  });
  // Any process with this database may wait on the receipt; it travels as written.receipt.str().
  qm::WaitOutcome seen = db.wait(written.receipt, qm::Wait::local(500ms));

  qm::Rows<Product> after = by_id(7);
  fmt::print("{}: {} -> {}\n  {}\n", after->name, before->price, after->price, after.outcome());
  return seen.satisfied() && after->price == 12.5;
}
// [/readme]

#include <cstdlib>
#include <filesystem>

namespace {

bool run(const std::string& path) {
  try {
    return shop(path);
  } catch (const std::exception& failure) {
    fmt::print(stderr, "quickstart: {}\n", failure.what());
    return false;
  }
}

}  // namespace

// Runs the example on the file that is given, or on a temporary one: it is a test as well.
int main(int argc, char** argv) {
  if (argc > 1) return run(argv[1]) ? EXIT_SUCCESS : EXIT_FAILURE;
  std::string folder = (std::filesystem::temp_directory_path() / "querymark-XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) return EXIT_FAILURE;
  const bool as_promised = run(folder + "/shop.db");
  std::filesystem::remove_all(folder);
  return as_promised ? EXIT_SUCCESS : EXIT_FAILURE;
}
