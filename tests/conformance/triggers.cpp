// What triggers put into the log beside what a write declares, on every database.

#include <catch2/catch.hpp>

#include "querymark/key/tracked.hpp"
#include "support/rows.hpp"
#include "support/worlds.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kMany = Marks::kMaxOwnRows + 1;

// Each updated product is reported as triggers of tracked tables do it.
void tell(const SqliteWorld& world) {
  world.shop.execute(
      "create trigger told after update on product begin "
      "insert into querymark_log (namespace, kind, target) "
      "values ('*', 'rows', 'public:product:id:' || new.id); end");
}
#ifdef QUERYMARK_TEST_POSTGRES
void tell(const PostgresWorld& world) {
  world.shop.execute(
      "create function tell() returns trigger language plpgsql as $$ begin "
      "insert into querymark.log (namespace, kind, target) "
      "values ('*', 'rows', 'public:product:id:' || new.id); return null; end $$;"
      "create trigger told after update on product for each row execute function tell()");
}
#endif

// Each update of a product puts `kMany` tags into the log: told:0, told:1...
void tell_many(const SqliteWorld& world) {
  world.shop.execute("create table n (i integer primary key)");
  world.shop.execute("with recursive r (i) as (select 0 union all select i + 1 from r limit " +
                     std::to_string(kMany) + ") insert into n select i from r");
  world.shop.execute(
      "create trigger told after update on product begin "
      "insert into querymark_log (namespace, kind, target, write_id) "
      "select 'shop', 'tag', 'told:' || i, 0 from n; end");
}
#ifdef QUERYMARK_TEST_POSTGRES
void tell_many(const PostgresWorld& world) {
  world.shop.execute(
      "create function tell() returns trigger language plpgsql as $$ begin "
      "insert into querymark.log (namespace, kind, target) "
      "select 'shop', 'tag', 'told:' || i from generate_series(0, " +
      std::to_string(kMany - 1) +
      ") i; return null; end $$;"
      "create trigger told after update on product execute function tell()");
}
#endif

template <class Process>
bool hits(Process& process, const Target& target) {
  return process.db.query("select name from product where id = 3")
      .tag(target)
      .fetch()
      .outcome()
      .is_hit();
}

}  // namespace

TEMPLATE_TEST_CASE("triggers: a write that declares nothing is one that can be waited for",
                   "[triggers]", QUERYMARK_WORLDS) {
  const TestType world;
  tell(world);
  typename TestType::Process process(world.shop);
  typename TestType::Process other(world.shop);
  const Target row = row_of("public:product", "id", std::vector<std::string>{"3"});
  const Target unrelated = tag("unrelated");
  for (int i = 0; i < 20; ++i) {
    for (auto* const each : {&process, &other}) {
      static_cast<void>(hits(*each, row));
      REQUIRE(hits(*each, row));
    }
    const Receipt receipt =
        process.db
            .write([](Transaction& tx) { tx.execute("update product set price = 5 where id = 3"); })
            .receipt;
    CHECK(receipt.intents == 1);
    CHECK_FALSE(hits(process, row));
    REQUIRE(other.db.wait(receipt, Wait::local(10s)).satisfied());
    CHECK_FALSE(hits(other, row));
  }
  const Receipt silent =
      process.db.write([](Transaction& tx) { tx.execute("delete from product where id = -1"); })
          .receipt;
  CHECK(silent.intents == 0);
}

TEMPLATE_TEST_CASE(
    "triggers: very many rows of them are applied before write() returns, and not remembered (hard "
    "case 66)",
    "[triggers]", QUERYMARK_WORLDS) {
  const TestType world;
  tell_many(world);
  typename TestType::Process process(world.shop);
  typename TestType::Process other(world.shop);
  const Target last = tag("told", kMany - 1);
  static_cast<void>(hits(other, last));
  static_cast<void>(hits(process, last));
  CHECK(hits(process, last));
  const Receipt receipt = process.set_price(1, 4.0);
  CHECK_FALSE(hits(process, last));
  CHECK(hits(process, last));
  CHECK(process.db.source().marks().remembered() <= 1);
  CHECK(only(process.price(1)) == 4.0);
  REQUIRE(other.db.wait(receipt, Wait::local(10s)).satisfied());
  CHECK_FALSE(hits(other, last));
}

TEMPLATE_TEST_CASE(
    "triggers: very many intents of a write are applied before write() returns, and not remembered",
    "[triggers]", QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  const auto writes = [&](std::size_t intents) {
    process.db.write([&](auto& tx) {
      for (std::size_t i = 0; i < intents; ++i) tx.invalidate(tag("told", i));
    });
  };
  const Target unrelated = tag("unrelated");
  static_cast<void>(hits(process, unrelated));
  writes(10);
  CHECK(hits(process, unrelated));
  // One by one where the write has proved that nothing else is in the log, else as one flush.
  const Target last = tag("told", kMany - 1);
  static_cast<void>(hits(process, last));
  CHECK(hits(process, last));
  writes(kMany);
  CHECK_FALSE(hits(process, last));
  CHECK(process.db.source().marks().remembered() <= 10);
}
