// What docs/operating.md tells operators to type works as it stands there.

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "blocks.hpp"
#include "support/child.hpp"
#include "support/pg_shop.hpp"
#include "support/rows.hpp"
#include "support/shop.hpp"

using namespace querymark;
using namespace querymark::test;

namespace {

const std::string kDocument = QUERYMARK_ROOT "/docs/operating.md";

}  // namespace

TEST_CASE("operating: the shell's lines work in their order", "[docs]") {
  const TempDir dir;
  const std::string programs = std::filesystem::path(QUERYMARK_PROGRAM).parent_path().string();
  for (const std::string& block : blocks_of(kDocument, "sh")) {
    CAPTURE(block);
    const Finished done =
        run({"/bin/bash", "-c",
             "set -e; cd " + dir.path().string() + "; PATH=" + programs + ":$PATH\n" + block});
    CAPTURE(done.output);
    CHECK(done.code == 0);
  }
  CHECK(std::filesystem::exists(dir.file("shop.db")));
  CHECK(std::filesystem::exists(dir.file("shop.tier")));
}

TEST_CASE("operating: the SQL for SQLite works, and reaches programs", "[docs]") {
  const Shop shop;
  Process process(shop);
  const Receipt before = process.set_price(1, 1.5);
  CHECK(only(process.price(1)) == 1.5);
  CHECK(process.price(1).outcome().is_hit());
  for (const std::string& block : blocks_of(kDocument, "sql sqlite")) {
    CAPTURE(block);
    CHECK_NOTHROW(shop.execute(block));
  }
  process.db.catch_up();
  CHECK_FALSE(process.price(1).outcome().is_hit());
  CHECK(shop.number("select count(*) from querymark_log where target = 'product:7' and reason is "
                    "not null") == 1);
  CHECK(process.db.wait(before, Wait::local(std::chrono::seconds(5))).satisfied());
}

TEST_CASE("operating: the SQL for PostgreSQL works, and reaches programs", "[docs]") {
  const PgShop shop;
  PgProcess process(shop);
  const Receipt before = process.set_price(1, 1.5);
  CHECK(only(process.price(1)) == 1.5);
  CHECK(process.price(1).outcome().is_hit());
  for (const std::string& block : blocks_of(kDocument, "sql postgres")) {
    CAPTURE(block);
    CHECK_NOTHROW(shop.execute(block));
  }
  process.db.catch_up();
  CHECK_FALSE(process.price(1).outcome().is_hit());
  CHECK(shop.number("select count(*) from querymark.log where target = 'product:7' and reason is "
                    "not null") == 1);
  CHECK(process.db.wait(before, Wait::local(std::chrono::seconds(5))).satisfied());
}
