// Queries inside transactions: what memory may answer there, and what nobody else may be served of it.

#include <catch2/catch.hpp>
#include <optional>
#include <stdexcept>

#include "support/await.hpp"
#include "support/errors.hpp"
#include "support/rows.hpp"
#include "support/worlds.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

constexpr std::int64_t kTea = 1;

template <class World>
struct Fixture {
  World world;
  typename World::Process process{world.shop};
  decltype(process.db.template prepare<double>(World::kPriceOf)
               .tag(std::declval<Target (*)(std::int64_t)>())) price =
      process.db.template prepare<double>(World::kPriceOf).tag(+[](std::int64_t id) {
        return entity("product", id);
      });

  Query ad_hoc() { return process.db.query(World::kPriceOf, kTea).tag(entity("product", kTea)); }
  // From memory, or from the transaction, and then not kept.
  static void check_hit(const Outcome& outcome) { CHECK(outcome.status == ReadStatus::hit); }
  static void check_bypass(const Outcome& outcome) {
    CHECK(outcome.status == ReadStatus::miss);
    CHECK(outcome.origin == Origin::database);
    CHECK(outcome.stored == Stored::in_transaction);
  }
  // What a READ COMMITTED transaction that has changed nothing does; SQLite's are serializable.
  static void check_untouched(const Outcome& outcome) {
    if (kIsSqlite<World>)
      check_bypass(outcome);
    else
      check_hit(outcome);
  }
};

}  // namespace

TEMPLATE_TEST_CASE("transactions: reads of a read transaction share one snapshot", "[transactions]",
                   QUERYMARK_WORLDS) {
  Fixture<TestType> f;
  static_cast<void>(f.price(kTea));  // memory has it
  static_cast<void>(f.ad_hoc().template fetch_as<double>());
  const double seen = f.process.db.read_transaction([&](ReadTransaction& tx) {
    const auto inside = f.price.in(tx);
    const Rows<double> first = inside(kTea);
    f.check_bypass(first.outcome());
    CHECK(only(first) == 2.5);
    f.process.set_price(kTea, 7);
    CHECK(only(f.process.price(kTea)) == 7);  // outside it has moved on
    CHECK(only(f.price(kTea)) == 7);          // and memory, too
    CHECK(only(inside(kTea)) == 2.5);
    const Rows<double> ad_hoc = f.ad_hoc().in(tx).template fetch_as<double>();
    f.check_bypass(ad_hoc.outcome());
    CHECK(only(ad_hoc) == 2.5);
    const ResultSet raw = tx.query(TestType::kPriceOf, kTea);
    CHECK(raw[0][0].template as<double>() == 2.5);
    return only(inside(kTea));
  });
  CHECK(seen == 2.5);
  const Rows<double> after = f.price(kTea);
  f.check_hit(after.outcome());  // what was read inside has replaced nothing
  CHECK(only(after) == 7);
}

TEMPLATE_TEST_CASE("transactions: what only a read transaction has read is not kept",
                   "[transactions]", QUERYMARK_WORLDS) {
  Fixture<TestType> f;
  f.process.db.read_transaction([&](ReadTransaction& tx) {
    static_cast<void>(f.price.in(tx)(kTea));
    static_cast<void>(f.ad_hoc().in(tx).template fetch_as<double>());
  });
  CHECK(f.price(kTea).outcome().status == ReadStatus::miss);
  CHECK(f.ad_hoc().template fetch_as<double>().outcome().status == ReadStatus::miss);
}

TEMPLATE_TEST_CASE("transactions: a read transaction can't write, and leaves no connection behind",
                   "[transactions]", QUERYMARK_WORLDS) {
  Fixture<TestType> f;
  for (int i = 0; i < 20; ++i) {  // more than there are connections
    CHECK_THROWS(f.process.db.read_transaction([&](ReadTransaction& tx) {
      return tx.query("update product set price = 0 returning price").size();
    }));
    CHECK_THROWS_AS(f.process.db.read_transaction([](ReadTransaction& tx) -> int {
      static_cast<void>(tx.query(TestType::kPriceOf, kTea));
      throw std::runtime_error("the caller's own");
    }),
                    std::runtime_error);
    CHECK_THROWS(f.process.db.read_transaction(
        [](ReadTransaction& tx) { return tx.query("select no_such_column from product").size(); }));
    for (const char* end : {"commit", "rollback", "begin"})
      CHECK_THROWS(
          f.process.db.read_transaction([&](ReadTransaction& tx) { return tx.query(end).size(); }));
  }
  CHECK(only(f.process.price(kTea)) == 2.5);
  f.process.set_price(kTea, 3);
  CHECK(only(f.process.price(kTea)) == 3);
}

TEMPLATE_TEST_CASE("transactions: before its first change a write may be served from memory",
                   "[transactions]", QUERYMARK_WORLDS) {
  Fixture<TestType> f;
  static_cast<void>(f.price(kTea));
  static_cast<void>(f.ad_hoc().template fetch_as<double>());
  f.process.db.write([&](Transaction& tx) {
    f.check_untouched(f.price.in(tx)(kTea).outcome());
    f.check_untouched(f.ad_hoc().in(tx).template fetch_as<double>().outcome());
    // What only reads is no change, nor is what memory could not serve.
    static_cast<void>(tx.query("select count(*) from product"));
    f.check_bypass(f.price.in(tx)(2).outcome());
    f.check_untouched(f.price.in(tx)(kTea).outcome());
  });
  CHECK(f.price(2).outcome().status == ReadStatus::miss);  // what it loaded was not kept
}

TEMPLATE_TEST_CASE("transactions: a write that has changed something reads for itself",
                   "[transactions]", QUERYMARK_WORLDS) {
  Fixture<TestType> f;
  static_cast<void>(f.price(kTea));
  static_cast<void>(f.ad_hoc().template fetch_as<double>());
  const auto check = [&](auto change, double sees) {
    f.process.db.write([&](Transaction& tx) {
      f.check_untouched(f.price.in(tx)(kTea).outcome());
      change(tx);
      const Rows<double> own = f.price.in(tx)(kTea);
      f.check_bypass(own.outcome());
      CHECK(only(own) == sees);
      f.check_bypass(f.ad_hoc().in(tx).template fetch_as<double>().outcome());
      if (sees != 2.5) tx.execute(TestType::kSetPrice, 2.5, kTea);
    });
    f.check_hit(f.price(kTea).outcome());  // the cache knows nothing of it
  };
  SECTION("by a statement") {
    check([](Transaction& tx) { tx.execute(TestType::kSetPrice, 9.0, kTea); }, 9);
  }
  SECTION("by one that nobody waits for") {
    check([](Transaction& tx) { tx.send(TestType::kSetPrice, 9.0, kTea); }, 9);
  }
  SECTION("by one that returns rows") {
    check(
        [](Transaction& tx) {
          static_cast<void>(tx.query("update product set price = 9 where id = 1 returning price"));
        },
        9);
  }
  SECTION("by an intent alone") {
    check([](Transaction& tx) { tx.invalidate(entity("product", 2)); }, 2.5);
  }
  SECTION("by a lock") {
    if (kIsSqlite<TestType>) return;
    check([](Transaction& tx) { static_cast<void>(tx.query(TestType::kLockPriceOf, kTea)); }, 2.5);
  }
}

TEMPLATE_TEST_CASE("transactions: what a write has read of its own is served to nobody",
                   "[transactions]", QUERYMARK_WORLDS) {
  Fixture<TestType> f;
  CHECK_THROWS_AS(f.process.db.write([&](Transaction& tx) {
    tx.execute(TestType::kSetPrice, 9.0, kTea);
    CHECK(only(f.price.in(tx)(kTea)) == 9);
    CHECK(only(f.ad_hoc().in(tx).template fetch_as<double>()) == 9);
    throw std::runtime_error("rolled back");
  }),
                  std::runtime_error);
  CHECK(only(f.price(kTea)) == 2.5);
  CHECK(only(f.ad_hoc().template fetch_as<double>()) == 2.5);
}

TEMPLATE_TEST_CASE("transactions: old values and demands for freshness have no place inside",
                   "[transactions]", QUERYMARK_WORLDS) {
  Fixture<TestType> f;
  const auto stale = f.price.policy({.serve_stale = 1h, .stale_if_error = 1h}).ttl(1ms);
  static_cast<void>(stale(kTea));
  await("its ttl has ended", 10s,
        [&] { return stale(kTea).outcome().status == ReadStatus::stale; });
  f.process.db.write([&](Transaction& tx) {
    tx.execute(TestType::kSetPrice, 9.0, kTea);
    CHECK(only(stale.in(tx)(kTea)) == 9);
    CHECK_THROWS_AS(f.ad_hoc().strong().in(tx).fetch(), ConfigError);
    tx.execute(TestType::kSetPrice, 2.5, kTea);
  });
}

TEMPLATE_TEST_CASE("transactions: queries of the cache only read, also inside a write",
                   "[transactions]", QUERYMARK_WORLDS) {
  Fixture<TestType> f;
  const char* const kChange = "update product set price = 0 where id = 1 returning price";
  f.process.db.write([&](Transaction& tx) {
    CHECK_THROWS_AS(f.process.db.query(kChange).in(tx).fetch(), ConfigError);
    CHECK_THROWS_AS(f.process.db.prepare(kChange).in(tx)(), ConfigError);
    CHECK(only(f.price.in(tx)(kTea)) == 2.5);  // and the transaction stands
  });
  CHECK_THROWS_AS(f.process.db.read_transaction([&](ReadTransaction& tx) {
    return f.process.db.query(kChange).in(tx).fetch().size();
  }),
                  ConfigError);
  CHECK(only(f.process.price(kTea)) == 2.5);
}

TEMPLATE_TEST_CASE("transactions: a query of another database is refused", "[transactions]",
                   QUERYMARK_WORLDS) {
  Fixture<TestType> f;
  const TestType elsewhere;
  typename TestType::Process other(elsewhere.shop);
  typename TestType::Process again(f.world.shop);  // other marks judge it
  f.process.db.read_transaction([&](ReadTransaction& tx) {
    for (auto* of : {&other, &again}) {
      CHECK_THROWS_AS(of->db.query(TestType::kPriceOf, kTea).in(tx).fetch(), ConfigError);
      CHECK_THROWS_AS(of->db.prepare(TestType::kPriceOf).in(tx)(kTea), ConfigError);
    }
  });
}

TEMPLATE_TEST_CASE("transactions: a query under a name reads inside likewise", "[transactions]",
                   QUERYMARK_WORLDS) {
  Fixture<TestType> f;
  const PreparedQuery<double, std::int64_t> price = f.price;
  static_cast<void>(price(kTea));
  f.process.db.write([&](Transaction& tx) {
    f.check_untouched(price.in(tx)(kTea).outcome());
    tx.execute(TestType::kSetPrice, 9.0, kTea);
    CHECK(only(price.in(tx)(kTea)) == 9);
    tx.execute(TestType::kSetPrice, 2.5, kTea);
  });
  f.process.db.read_transaction(
      [&](ReadTransaction& tx) { f.check_bypass(price.in(tx)(kTea).outcome()); });
}

#ifdef QUERYMARK_TEST_POSTGRES
TEST_CASE("transactions: at higher levels memory answers nothing (hard case 101)",
          "[transactions]") {
  Fixture<PostgresWorld> f;
  static_cast<void>(f.price(kTea));
  using postgres::Isolation;
  for (const Isolation isolation : {Isolation::repeatable_read, Isolation::serializable})
    f.process.db.write(
        [&](Transaction& tx) {
          f.check_bypass(f.price.in(tx)(kTea).outcome());
          f.check_bypass(f.price.in(tx)(kTea).outcome());
        },
        {.isolation = isolation});
}

TEST_CASE("transactions: settings belong to a transaction and to the queries that are read in it",
          "[transactions]") {
  Fixture<PostgresWorld> f;
  auto seven = f.process.db.with({{"app.tenant", "7"}});
  auto eight = f.process.db.with({{"app.tenant", "8"}});
  const auto tenant = [](auto& of) {
    return of.query("select current_setting('app.tenant', true)").tag(tag("tenant"));
  };
  CHECK(only(tenant(seven).template fetch_as<std::string>()) == "7");
  seven.read_transaction([&](ReadTransaction& tx) {
    CHECK(only(tenant(seven).in(tx).template fetch_as<std::string>()) == "7");
    CHECK_THROWS_WITH(tenant(eight).in(tx).fetch(), Contains("same settings"));
    CHECK_THROWS_WITH(tenant(f.process.db).in(tx).fetch(), Contains("same settings"));
  });
  seven.write([&](Transaction& tx) {
    f.check_hit(tenant(seven).in(tx).template fetch_as<std::string>().outcome());
    CHECK_THROWS_WITH(tenant(eight).in(tx).fetch(), Contains("same settings"));
  });
  f.process.db.write(
      [&](Transaction& tx) {
        CHECK(only(tenant(eight).in(tx).template fetch_as<std::string>()) == "8");
      },
      {.settings = {{"app.tenant", "8"}}});
  // And none of it stays behind in a session.
  f.process.db.read_transaction([&](ReadTransaction& tx) {
    const ResultSet set = tx.query("select coalesce(current_setting('app.tenant', true), '')");
    CHECK(set[0][0].as<std::string>().empty());
  });
}
#endif

TEMPLATE_TEST_CASE("transactions: a query that is kept past its transaction says so",
                   "[transactions]", QUERYMARK_WORLDS) {
  Fixture<TestType> f;
  const auto kept_of = [&](const auto& run) {
    std::optional<Query> ad_hoc;
    std::optional<decltype(f.price.in(std::declval<ReadTransaction&>()))> price;
    run([&](ReadTransaction& tx) {
      ad_hoc.emplace(f.ad_hoc().in(tx));
      price.emplace(f.price.in(tx));
    });
    const auto check = [&] {
      CHECK_THROWS_WITH(ad_hoc->fetch(), Contains("over"));
      CHECK_THROWS_AS((*price)(kTea), ConfigError);
    };
    check();
    run([&](ReadTransaction&) { check(); });  // another one, which may lie where that one lay
  };
  kept_of([&](const auto& function) { f.process.db.read_transaction(function); });
  kept_of([&](const auto& function) { static_cast<void>(f.process.db.write(function)); });
}
