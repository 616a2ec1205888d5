// What an error says and what it lets a program ask: the same on all databases.

#include <catch2/catch.hpp>

#include "querymark/support/constraint_violation.hpp"
#include "support/errors.hpp"
#include "support/rows.hpp"
#include "support/worlds.hpp"

using namespace querymark;
using namespace querymark::test;
using Catch::Matchers::Contains;
using Kind = ConstraintViolation::Kind;

namespace {

constexpr const char* kSecret = "sesame@example.org";

// The violation that a write throws.
template <class Process, class Function>
ConstraintViolation violation(Process& process, Function&& function) {
  try {
    process.db.write(function);
  } catch (const ConstraintViolation& found) {
    return found;
  } catch (const Error& other) {
    FAIL("no violation: " << other.what());
  }
  FAIL("nothing was thrown");
  std::abort();
}

template <class Process>
ConstraintViolation violation_of(Process& process, const std::string& sql) {
  return violation(process, [&](Transaction& tx) { tx.execute(sql); });
}

}  // namespace

TEMPLATE_TEST_CASE("violations: who is there already is told by kind, table and column or name",
                   "[errors]", QUERYMARK_WORLDS) {
  const TestType world;
  world.shop.execute("create unique index product_names on product (name, price)");
  typename TestType::Process process(world.shop);
  const auto twice =
      violation_of(process, "insert into product (id, name, price) values (1, 'more tea', 1)");
  CHECK(twice.kind() == Kind::unique);
  CHECK(twice.table() == "product");
  CHECK_FALSE(twice.retryable());
  CHECK_FALSE(twice.connection_lost());
  CHECK_THAT(twice.what(), Contains("insert into product (id, name, price)") &&
                               Contains("on conflict") && Contains(twice.native_code()));
  const auto both =
      violation_of(process, "insert into product (id, name, price) values (9, 'tea', 2.5)");
  CHECK(both.kind() == Kind::unique);
  CHECK(both.table() == "product");
  if constexpr (kIsSqlite<TestType>) {
    CHECK(twice.native_code() == "SQLITE_CONSTRAINT_PRIMARYKEY");
    CHECK(twice.column() == "id");
    CHECK(both.columns() == std::vector<std::string>{"name", "price"});
    CHECK(both.column().empty());
  } else {
    CHECK(twice.native_code() == "23505");
    CHECK(twice.schema() == "public");
    CHECK(twice.constraint() == "product_pkey");
    CHECK(both.constraint() == "product_names");
  }
}

TEMPLATE_TEST_CASE("violations: what is missing, or out of its range, is told by column or name",
                   "[errors]", QUERYMARK_WORLDS) {
  const TestType world;
  world.shop.execute(
      "create table stock (product integer, pieces integer constraint some_pieces "
      "check (pieces > 0))");
  typename TestType::Process process(world.shop);
  const auto missing = violation_of(process, "insert into product (id, price) values (9, 1)");
  CHECK(missing.kind() == Kind::not_null);
  CHECK(missing.table() == "product");
  CHECK(missing.column() == "name");
  const auto refused = violation_of(process, "insert into stock values (1, 0)");
  CHECK(refused.kind() == Kind::check);
  CHECK(refused.constraint() == "some_pieces");
  CHECK(refused.column().empty());
}

TEMPLATE_TEST_CASE(
    "violations: a reference that is missed only when the write commits is a definite failure",
    "[errors]", QUERYMARK_WORLDS) {
  const TestType world;
  world.shop.execute(
      "create table stock (product integer constraint known_product references product (id) "
      "deferrable initially deferred)");
  typename TestType::Process process(world.shop);
  const auto missed = violation(process, [](Transaction& tx) {
    tx.execute("insert into stock values (77)");
    tx.invalidate(collection("stock"));
  });
  CHECK(missed.kind() == Kind::foreign_key);
  CHECK_FALSE(missed.outcome_unknown());
  CHECK(process.db.stats().in_doubt == 0);
  CHECK(world.shop.number("select count(*) from stock") == 0);
  CHECK(world.log_rows() == 0);
  if constexpr (!kIsSqlite<TestType>) {
    CHECK(missed.constraint() == "known_product");
    CHECK(missed.table() == "stock");
  }
  const auto still_there = [](Transaction& tx) {
    tx.execute("insert into stock values (1)");
    tx.execute("delete from product where id = 1");
  };
  CHECK(violation(process, still_there).kind() == Kind::foreign_key);
}

TEMPLATE_TEST_CASE("errors name the query of a read and of a write, on one line and shortened",
                   "[errors]", QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  const auto read = [&](const std::string& sql) {
    return message_of([&] { static_cast<void>(process.db.query(sql).fetch()); });
  };
  const auto write = [&](const std::string& sql) {
    return message_of([&] { process.db.write([&](Transaction& tx) { tx.execute(sql); }); });
  };
  CHECK_THAT(read("\n  select pryce\n    from\tproduct\n"),
             Contains("\"select pryce from product\"") && Contains("pryce"));
  CHECK_THAT(write("\n  update product\n     set pryce = 1"),
             Contains("\"update product set pryce = 1\""));
  const std::string list = std::string(1000, 'x');
  const std::string said = read("select nobody_knows_it, '" + list + "' from product");
  CHECK_THAT(said, Contains("\"select nobody_knows_it, 'xxx") && Contains("xxx...\""));
  CHECK(said.size() < 700);
}

TEMPLATE_TEST_CASE("errors show no bound value, nor those of the rows at fault", "[errors]",
                   QUERYMARK_WORLDS) {
  const TestType world;
  world.shop.execute("create unique index product_names on product (name)");
  typename TestType::Process process(world.shop);
  const std::string sql = kIsSqlite<TestType>
                              ? "insert into product (id, name, price, note) values (?, ?, ?, ?)"
                              : "insert into product (id, name, price, note) values ($1, $2, $3, "
                                "$4)";
  const auto put = [&](Transaction& tx, const char* name, std::optional<double> price) {
    tx.execute(sql, 40 + (name == nullptr ? 1 : 0), name == nullptr ? "cup" : name, price,
               std::string(kSecret));
  };
  process.db.write([&](Transaction& tx) {
    tx.execute(sql, 30, std::string(kSecret), 1.0, std::string(kSecret));
    tx.invalidate(collection("product"));
  });
  const auto twice = violation(process, [&](Transaction& tx) { put(tx, kSecret, 1.0); });
  CHECK_THAT(twice.what(), Contains("insert into product") && !Contains("sesame"));
  const auto missing = violation(process, [&](Transaction& tx) { put(tx, "new", std::nullopt); });
  CHECK_THAT(missing.what(), !Contains("sesame"));
  CHECK(missing.column() == "price");
  if constexpr (!kIsSqlite<TestType>) {
    CHECK_THAT(twice.detail(), Contains(kSecret));
    CHECK_THAT(missing.detail(), Contains(kSecret));
  }
}

TEMPLATE_TEST_CASE("errors that are no violations are not told as such", "[errors]",
                   QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  for (const char* sql : {"update product set pryce = 1", "insert into nowhere values (1)"}) {
    CAPTURE(sql);
    bool other = false;
    try {
      process.db.write([&](Transaction& tx) { tx.execute(sql); });
    } catch (const ConstraintViolation&) {
      FAIL("told as a violation");
    } catch (const Error& failure) {
      other = true;
      CHECK_THAT(failure.what(), Contains(sql));
    }
    CHECK(other);
  }
}
