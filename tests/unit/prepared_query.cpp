#include <catch2/catch.hpp>

#include "unit/read_fixture.hpp"

// A prepared query as a member of a class.

namespace {

using namespace querymark;
using test::first;
using test::ReadFixture;

struct Product {
  std::int64_t id;
};

// What a user's service looks like.
class Products {
 public:
  explicit Products(ReadFixture& f)
      : by_id_(f.prepare<Product>("select id from product where id = ?")
                   .tag([](std::int64_t id) { return entity("product", id); })
                   .ttl(std::chrono::minutes(1))),
        all_(f.prepare("select id from product").tag(collection("product"))) {}

  PreparedQuery<Product, std::int64_t> by_id_;
  PreparedQuery<ResultSet> all_;
  PreparedQuery<Product, std::string> unset_;
};

}  // namespace

TEST_CASE("prepared query: it is the query that it was made from", "[prepared_query]") {
  ReadFixture f;
  Products products(f);
  const auto by_id = f.prepare<Product>("select id from product where id = ?");
  f.loader.value = 7;
  CHECK(products.by_id_.fetch_one(7).id == 7);
  CHECK(products.by_id_(7).outcome().is_hit());
  CHECK(products.by_id_.fetch_optional(7)->id == 7);
  CHECK(products.by_id_.key(7) == by_id.key(7));
  CHECK(products.all_().size() == 1);
  CHECK(products.all_().outcome().is_hit());
  f.invalidate(entity("product", 7));
  CHECK_FALSE(products.by_id_(7).outcome().is_hit());
  f.invalidate(collection("product"));
  CHECK_FALSE(products.all_().outcome().is_hit());
  f.clock.advance(std::chrono::minutes(2));
  CHECK_FALSE(products.by_id_(7).outcome().is_hit());
}

TEST_CASE("prepared query: it shares its query's entries and its switch", "[prepared_query]") {
  ReadFixture f;
  auto query = f.prepare<std::int64_t>("select n where a = ? and b = ?");
  const PreparedQuery<std::int64_t, int, std::string_view> named = query;
  const PreparedQuery<std::int64_t, int, std::string_view> copy = named;
  (void)query(1, "x");
  CHECK(named(1, "x").outcome().is_hit());
  CHECK(copy.fetch_value(1, "x") == 1);
  query.set_enabled(false);
  CHECK(named(1, "x").outcome().status == ReadStatus::bypass);
  query.set_enabled(true);
  CHECK(copy(1, "x").outcome().is_hit());
}

TEST_CASE("prepared query: callables with state are asked at each hit", "[prepared_query]") {
  ReadFixture f;
  std::string tenant = "a";
  const PreparedQuery<std::int64_t> named =
      f.prepare<std::int64_t>("select n").tag([&] { return tag("tenant", tenant); });
  (void)named();
  CHECK(named().outcome().is_hit());
  tenant = "b";
  CHECK_FALSE(named().outcome().is_hit());
}

TEST_CASE("prepared query: one without a query says so", "[prepared_query]") {
  ReadFixture f;
  const Products products(f);
  CHECK_THROWS_AS(products.unset_("x"), ConfigError);
  CHECK_THROWS_AS(products.unset_.key("x"), ConfigError);
}
