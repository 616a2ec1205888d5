#include "querymark/result/mapping.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "querymark/support/error.hpp"

namespace {

using namespace querymark;
using detail::AutoMapper;
using detail::heap_bytes_of;
using detail::map_rows;

struct Product {
  std::int64_t id;
  std::string name;
  std::optional<double> price;
  bool sold;
};

struct Money {
  std::int64_t cents = 0;
  friend bool operator==(const Money&, const Money&) = default;
};

struct Priced {
  std::string name;
  std::optional<Money> price;
};

struct Weighed {
  [[nodiscard]] std::size_t heap_bytes() const { return 777; }
};

struct Order {
  std::string customer;
  std::vector<Product> lines;
};

}  // namespace

template <>
struct querymark::FieldTraits<Money> {
  static Money read(const Field& field) {
    const auto cents = field.as<std::int64_t>();
    if (cents < 0) field.fail("an amount of money");
    return {cents};
  }
};

namespace {

ResultSet products() {
  ResultSetBuilder builder;
  for (const char* column : {"id", "name", "price", "sold"}) builder.add_column(column);
  builder.add(as_parameter(1));
  builder.add(as_parameter("tea"));
  builder.add(as_parameter(2.5));
  builder.add(as_parameter(0));
  builder.add(as_parameter(2));
  builder.add(as_parameter("coffee"));
  builder.add(as_parameter(nullptr));
  builder.add(as_parameter(1));
  return std::move(builder).build();
}

ResultSet numbers() {
  ResultSetBuilder builder;
  builder.add_column("n");
  builder.add(as_parameter(1));
  builder.add(as_parameter(2));
  return std::move(builder).build();
}

}  // namespace

TEST_CASE("mapping: an aggregate takes the columns in order", "[mapping]") {
  const auto mapped = map_rows<Product>(products(), AutoMapper<Product>{});
  REQUIRE(mapped.size() == 2);
  CHECK(mapped[0].id == 1);
  CHECK(mapped[0].name == "tea");
  CHECK(mapped[0].price == 2.5);
  CHECK_FALSE(mapped[0].sold);
  CHECK(mapped[1].name == "coffee");
  CHECK_FALSE(mapped[1].price);
  CHECK(mapped[1].sold);
}

TEST_CASE("mapping: a single cell type takes the only column", "[mapping]") {
  CHECK(map_rows<int>(numbers(), AutoMapper<int>{}) == std::vector<int>{1, 2});
  CHECK(map_rows<std::optional<int>>(numbers(), AutoMapper<std::optional<int>>{}).size() == 2);
  CHECK(map_rows<double>(numbers(), AutoMapper<double>{}) == std::vector<double>{1, 2});
}

TEST_CASE("mapping: a mapper of one's own gets each row", "[mapping]") {
  const auto twice = [](const Row& row) { return row["n"].as<int>() * 2; };
  CHECK(map_rows<int>(numbers(), twice) == std::vector<int>{2, 4});
}

TEST_CASE("mapping: a wrong number of columns is an error, also without rows", "[mapping]") {
  CHECK_THROWS_AS(map_rows<Product>(numbers(), AutoMapper<Product>{}), TypeError);
  CHECK_THROWS_AS(map_rows<int>(products(), AutoMapper<int>{}), TypeError);
  CHECK_THROWS_AS(map_rows<int>(ResultSet(), AutoMapper<int>{}), TypeError);
  CHECK_THROWS_WITH(map_rows<int>(products(), AutoMapper<int>{}),
                    Catch::Contains("4 columns") && Catch::Contains("takes 1"));
}

TEST_CASE("mapping: a cell of another type is an error that names its column", "[mapping]") {
  CHECK_THROWS_WITH(map_rows<std::string>(numbers(), AutoMapper<std::string>{}),
                    Catch::Contains("\"n\""));
  struct Strict {
    std::int64_t id;
    std::string name;
    double price;  // NULL in the second row
    bool sold;
  };
  CHECK_THROWS_WITH(map_rows<Strict>(products(), AutoMapper<Strict>{}),
                    Catch::Contains("\"price\""));
}

TEST_CASE("mapping: heap bytes count what strings, vectors and aggregates hold", "[mapping]") {
  CHECK(heap_bytes_of(7) == 0);
  CHECK(heap_bytes_of(std::string("short")) == 0);
  CHECK(heap_bytes_of(std::string(1000, 'x')) > 1000);
  CHECK(heap_bytes_of(Bytes{std::string(1000, 'x')}) > 1000);
  CHECK(heap_bytes_of(std::optional<std::string>()) == 0);
  CHECK(heap_bytes_of(std::optional(std::string(1000, 'x'))) > 1000);
  CHECK(heap_bytes_of(std::vector<int>(100)) == 100 * sizeof(int));
  CHECK(heap_bytes_of(std::vector<std::string>(3, std::string(1000, 'x'))) >
        3 * (1000 + sizeof(std::string)));
  CHECK(heap_bytes_of(Weighed{}) == 777);
  const Order order{std::string(100, 'c'), {{1, std::string(200, 'p'), 1.0, true}}};
  CHECK(heap_bytes_of(order) > 300 + sizeof(Product));
  std::vector<int> reserved;
  reserved.reserve(1000);
  CHECK(heap_bytes_of(reserved) == 1000 * sizeof(int));
}

TEST_CASE("mapping: the stored type separates types and mappers", "[mapping]") {
  const auto one = [](const Row&) { return 1; };
  const auto two = [](const Row&) { return 2; };
  CHECK(detail::stored_type_name<int, decltype(one)>() !=
        detail::stored_type_name<int, decltype(two)>());
  CHECK(detail::stored_type_name<int, AutoMapper<int>>() !=
        detail::stored_type_name<long, AutoMapper<long>>());
  CHECK(detail::stored_type_name<int, decltype(one)>() ==
        detail::stored_type_name<int, decltype(one)>());
}

TEST_CASE("mapping: a type of one's own is read through its traits, alone and as a member",
          "[mapping]") {
  const auto prices = map_rows<Money>(numbers(), AutoMapper<Money>{});
  CHECK(prices == std::vector<Money>{{1}, {2}});
  const auto maybe = map_rows<std::optional<Money>>(numbers(), AutoMapper<std::optional<Money>>{});
  CHECK(maybe.at(1) == Money{2});
  ResultSetBuilder builder;
  for (const char* column : {"name", "price"}) builder.add_column(column);
  for (const auto& [name, cents] : {std::pair("tea", 250), std::pair("debt", -1)}) {
    builder.add(as_parameter(name));
    builder.add(as_parameter(cents));
  }
  builder.add(as_parameter("gift"));
  builder.add(as_parameter(nullptr));
  const ResultSet set = std::move(builder).build();
  CHECK_THROWS_WITH(map_rows<Priced>(set, AutoMapper<Priced>{}),
                    Catch::Contains("\"price\", row 1") && Catch::Contains("an amount of money"));
  CHECK(AutoMapper<Priced>{}(set.row(0)).price == Money{250});
  CHECK_FALSE(AutoMapper<Priced>{}(set.row(2)).price.has_value());
  CHECK_THROWS_AS(set.row(2)[1].as<Money>(), TypeError);
}
