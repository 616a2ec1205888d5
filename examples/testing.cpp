// How an application tests its own code without a server: what takes a querymark::Database& runs on
// a MemoryDatabase, whose answers the test gives.

#include <cstdio>
#include <map>
#include <string>

#include "querymark/querymark.hpp"
#include "querymark/testing/memory_database.hpp"

namespace qm = querymark;
using namespace std::chrono_literals;

// --- the application -----------------------------------------------------------------------------

class Prices {
 public:
  explicit Prices(qm::Database& db) : db_(db) {}

  [[nodiscard]] double of(int product) const {
    const qm::Rows<double> rows = db_.query(kPrice, product)
                                      .tag(qm::entity("product", product))
                                      .ttl(10min)
                                      .fetch_as<double>();
    return rows[0];
  }
  qm::Receipt set(int product, double price) {
    return db_
        .write([&](qm::Transaction& tx) {
          tx.execute(kSetPrice, price, product);
          tx.invalidate(qm::entity("product", product));
        })
        .receipt;
  }

  static constexpr const char* kPrice = "select price from product where id = $1";
  static constexpr const char* kSetPrice = "update product set price = $1 where id = $2";

 private:
  qm::Database& db_;
};

// --- its test ------------------------------------------------------------------------------------

namespace {

int failures = 0;

void check(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "failed: %s\n", what);
  ++failures;
}

}  // namespace

int main() {
  qm::ManualClock clock;  // time stands still until the test moves it
  qm::Cache cache{{.clock = &clock}};
  qm::testing::MemoryDatabase db(cache);

  std::map<int, double> table{{1, 2.5}};
  db.on_query(Prices::kPrice, [&](const qm::testing::Call& call) {
    return qm::testing::Table({"price"}).row(table.at(call[0].as<int>())).rows();
  });
  db.on_execute(Prices::kSetPrice, [&](const qm::testing::Call& call) {
    double& price = table.at(call[1].as<int>());
    call.on_rollback([&price, before = price] { price = before; });
    price = call[0].as<double>();
    return 1;
  });

  Prices prices(db);
  check(prices.of(1) == 2.5, "the price comes from the table");
  check(prices.of(1) == 2.5 && db.loads() == 1, "the second time it is a hit");

  const qm::Receipt receipt = prices.set(1, 3.0);
  check(prices.of(1) == 3.0 && db.loads() == 2, "a write makes it stale");
  check(db.executed() == std::vector<std::string>{Prices::kSetPrice},
        "one statement was committed");

  // Another process on the same database sees the write when it waits for the receipt.
  qm::Cache elsewhere{{.clock = &clock}};
  qm::testing::MemoryDatabase other(elsewhere, db);
  check(other.wait(receipt, qm::Wait::local(1s)).satisfied(), "the receipt is known elsewhere");

  clock.advance(11min);
  check(prices.of(1) == 3.0 && db.loads() == 3, "it is not served longer than its ttl");

  db.lose_next_commit(true);
  try {
    prices.set(1, 4.0);
    check(false, "a lost answer is told");
  } catch (const qm::CommitInDoubt& doubt) {
    check(db.resolve(doubt.receipt()) == qm::WriteFate::committed, "resolve() tells the truth");
    check(prices.of(1) == 4.0, "and nobody reads the old price meanwhile");
  }
  return failures == 0 ? 0 : 1;
}
