// What became of a write whose commit failed in the middle.

#include <catch2/catch.hpp>

#include "support/file_size_limit.hpp"
#include "support/rows.hpp"
#include "support/shop.hpp"

using namespace querymark;
using namespace querymark::test;

namespace {

// The receipt of a price that the disk does not take.
Receipt doubtful_price(sqlite::Database& db, double price) {
  std::optional<FileSizeLimit> failing;
  try {
    static_cast<void>(db.write([&](Transaction& tx) {
      tx.execute("update product set price = ? where id = 1", price);
      tx.invalidate(entity("product", 1));
      failing.emplace(0);
    }));
  } catch (const CommitInDoubt& doubt) {
    failing.reset();
    CHECK_THAT(doubt.what(), Catch::Contains("resolve()"));
    return doubt.receipt();
  }
  FAIL("the commit went through");
  return {};
}

}  // namespace

TEST_CASE("sqlite resolve: a commit that the disk refused in the middle is found rolled back",
          "[sqlite]") {
  const Shop shop;
  Process process(shop);
  CHECK(only(process.price(1)) == 2.5);
  const Receipt receipt = doubtful_price(process.db, 9.0);
  CHECK(receipt.in_doubt);
  CHECK(process.db.stats().in_doubt == 1);
  CHECK(process.db.resolve(receipt) == WriteFate::rolled_back);
  CHECK(only(process.price(1)) == 2.5);
  // Repeated, it takes the position that the other would have had.
  const Receipt again = process.set_price(1, 9.0);
  CHECK(again.position == receipt.position);
  CHECK(process.db.resolve(receipt) == WriteFate::rolled_back);
  CHECK(process.db.resolve(again) == WriteFate::committed);
  CHECK(only(process.price(1)) == 9.0);
  CHECK(process.db.wait(receipt, Wait::local({})).status == WaitStatus::refused);
}

TEST_CASE("sqlite resolve: what another process committed is found, whoever asks", "[sqlite]") {
  const Shop shop;
  Process writer(shop);
  Process asking(shop);
  Receipt receipt = writer.set_price(1, 4.0);
  receipt.in_doubt = true;
  const auto parsed = Receipt::parse(receipt.str());
  REQUIRE(parsed);
  CHECK(asking.db.resolve(*parsed) == WriteFate::committed);
  // A row that somebody took away tells nothing.
  shop.execute(
      "insert into querymark_log (namespace, kind, target) values ('shop', 'tag', 'x');"
      "delete from querymark_log");
  CHECK(asking.db.resolve(*parsed) == WriteFate::unknown);
}

TEST_CASE("sqlite resolve: a position that SQLite has no numbers for is one of the future",
          "[sqlite]") {
  const Shop shop;
  Process process(shop);
  Receipt receipt = process.set_price(1, 4.0);
  for (const std::uint64_t position : {(1ULL << 63U) - 1, 1ULL << 63U, ~0ULL}) {
    CAPTURE(position);
    receipt.position = Position{position};
    const auto parsed = Receipt::parse(receipt.str());  // of a cookie, say
    REQUIRE(parsed);
    CHECK(process.db.resolve(*parsed) == WriteFate::rolled_back);
    CHECK(process.db.reasons_at(parsed->position).empty());
    CHECK(process.db.wait(*parsed, Wait::local(std::chrono::seconds(10))).status ==
          WaitStatus::refused);
  }
}
