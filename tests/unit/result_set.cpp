#include "querymark/result/result_set.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "querymark/result/time_fields.hpp"
#include "querymark/support/error.hpp"

namespace {

using namespace querymark;

// Two rows over every cell type.
ResultSet sample() {
  ResultSetBuilder builder;
  builder.add_column("id", "INTEGER");
  builder.add_column("price", "REAL");
  builder.add_column("name", "TEXT");
  builder.add_column("raw", "BLOB");
  builder.add_column("sold");
  builder.add(as_parameter(7));
  builder.add(as_parameter(12.5));
  builder.add(as_parameter("tea"));
  builder.add(as_parameter(Bytes{std::string("\0\1", 2)}));
  builder.add(as_parameter(true));
  builder.add(as_parameter(std::numeric_limits<std::int64_t>::min()));
  for (int i = 0; i < 4; ++i) builder.add(as_parameter(nullptr));
  return std::move(builder).build();
}

template <class T>
ResultSet cell(const T& value, std::string_view column = "amount") {
  ResultSetBuilder builder;
  builder.add_column(column);
  builder.add(as_parameter(value));
  return std::move(builder).build();
}

template <class F>
std::string type_error(F&& read) {
  try {
    read();
  } catch (const TypeError& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("result set: cells come back as they were added", "[result_set]") {
  const ResultSet set = sample();
  REQUIRE(set.size() == 2);
  REQUIRE(set.columns() == 5);
  CHECK(set.column_name(0) == "id");
  CHECK(set.column_type(0) == "INTEGER");
  CHECK(set.column_type(4).empty());
  CHECK(set.find_column("raw") == 3U);
  CHECK_FALSE(set.find_column("RAW"));
  const Row row = set[0];
  CHECK(row.size() == 5);
  CHECK(row["id"].as<std::int64_t>() == 7);
  CHECK(row["price"].as<double>() == 12.5);
  CHECK(row["name"].as<std::string>() == "tea");
  CHECK(row["name"].view() == "tea");
  CHECK(row["raw"].as<Bytes>().data == std::string("\0\1", 2));
  CHECK(row["raw"].view().size() == 2);
  CHECK(row["sold"].as<bool>());
  CHECK(set[1][0].as<std::int64_t>() == std::numeric_limits<std::int64_t>::min());
  CHECK(set[1]["name"].is_null());
  CHECK(set[1]["name"].type() == ValueType::null);
}

TEST_CASE("result set: of several equal column names the first answers", "[result_set]") {
  ResultSetBuilder builder;
  builder.add_column("n");
  builder.add_column("n");
  builder.add(as_parameter(1));
  builder.add(as_parameter(2));
  const ResultSet set = std::move(builder).build();
  CHECK(set[0]["n"].as<int>() == 1);
  CHECK(set[0][1].as<int>() == 2);
}

TEST_CASE("result set: integers are range checked", "[result_set]") {
  const ResultSet large = cell(300);
  CHECK(large[0][0].as<std::int16_t>() == 300);
  CHECK_THROWS_AS(large[0][0].as<std::uint8_t>(), TypeError);
  const ResultSet negative = cell(-1);
  CHECK(negative[0][0].as<int>() == -1);
  CHECK_THROWS_AS(negative[0][0].as<unsigned>(), TypeError);
  CHECK_THROWS_AS(negative[0][0].as<std::uint64_t>(), TypeError);
}

TEST_CASE("result set: doubles are read from integers, integers not from doubles", "[result_set]") {
  const ResultSet whole = cell(3);
  CHECK(whole[0][0].as<double>() == 3.0);
  CHECK(whole[0][0].as<float>() == 3.0F);
  const ResultSet real = cell(3.0);
  CHECK_THROWS_AS(real[0][0].as<int>(), TypeError);
}

TEST_CASE("result set: zero and one count as truth values, other integers do not", "[result_set]") {
  const ResultSet one = cell(1);
  const ResultSet zero = cell(0);
  const ResultSet two = cell(2);
  const ResultSet text = cell("true");
  CHECK(one[0][0].as<bool>());
  CHECK_FALSE(zero[0][0].as<bool>());
  CHECK_THROWS_AS(two[0][0].as<bool>(), TypeError);
  CHECK_THROWS_AS(text[0][0].as<bool>(), TypeError);
}

TEST_CASE("result set: text and bytes are not taken for each other", "[result_set]") {
  const ResultSet text = cell("abc");
  const ResultSet bytes = cell(Bytes{"abc"});
  CHECK(text[0][0].as<std::string_view>() == "abc");
  CHECK_THROWS_AS(text[0][0].as<Bytes>(), TypeError);
  CHECK_THROWS_AS(bytes[0][0].as<std::string>(), TypeError);
  const ResultSet number = cell(1);
  CHECK_THROWS_AS(number[0][0].view(), TypeError);
  CHECK_THROWS_AS(number[0][0].as<std::string>(), TypeError);
}

TEST_CASE("result set: NULL is empty for an optional and an error for anything else",
          "[result_set]") {
  const ResultSet null = cell(nullptr);
  CHECK_FALSE(null[0][0].as<std::optional<int>>());
  CHECK_FALSE(null[0][0].as<std::optional<std::string>>());
  const ResultSet five = cell(5);
  CHECK(five[0][0].as<std::optional<int>>() == 5);
  CHECK_THROWS_AS(null[0][0].as<int>(), TypeError);
  CHECK_THROWS_AS(null[0][0].as<double>(), TypeError);
  CHECK_THROWS_AS(null[0][0].as<bool>(), TypeError);
  CHECK_THROWS_AS(null[0][0].as<std::string>(), TypeError);
  CHECK_THROWS_AS(null[0][0].view(), TypeError);
}

TEST_CASE("result set: an error names the column, the row and both types", "[result_set]") {
  const ResultSet set = cell("tea", "amount");
  const std::string wrong = type_error([&] { (void)set[0][0].as<int>(); });
  CHECK_THAT(wrong, Catch::Contains("\"amount\""));
  CHECK_THAT(wrong, Catch::Contains("row 0"));
  CHECK_THAT(wrong, Catch::Contains("found text"));
  CHECK_THAT(wrong, Catch::Contains("wanted an integer"));
  const ResultSet null = cell(nullptr, "amount");
  CHECK_THAT(type_error([&] { (void)null[0][0].as<int>(); }), Catch::Contains("std::optional"));
  CHECK_THAT(type_error([&] { (void)set[0]["amuont"]; }), Catch::Contains("\"amuont\""));
  CHECK_THROWS_AS(set[0][1], TypeError);
  CHECK_THROWS_AS(set.row(1), TypeError);
}

TEST_CASE("result set: iteration visits each row once, in order", "[result_set]") {
  ResultSetBuilder builder;
  builder.add_column("n");
  for (int i = 0; i < 100; ++i) builder.add(as_parameter(i));
  const ResultSet set = std::move(builder).build();
  int expected = 0;
  for (const Row row : set) CHECK(row[0].as<int>() == expected++);
  CHECK(expected == 100);
  int from_temporary = 0;
  for (const Row row : ResultSet(set)) from_temporary += row[0].as<int>();
  CHECK(from_temporary == 4950);
}

TEST_CASE("result set: equality is by columns, declared types and cells", "[result_set]") {
  CHECK(sample() == sample());
  CHECK_FALSE(cell(1) == cell(2));
  CHECK_FALSE(cell(1) == cell(1.0));
  CHECK_FALSE(cell("a") == cell(Bytes{"a"}));
  CHECK_FALSE(cell(1, "a") == cell(1, "b"));
  CHECK(ResultSet() == ResultSet());
  CHECK_FALSE(ResultSet() == cell(1));
}

TEST_CASE("result set: copies share the buffer and outlive the original", "[result_set]") {
  std::optional<ResultSet> original(sample());
  const ResultSet copy = *original;
  CHECK(copy.encoded().data() == original->encoded().data());
  original.reset();
  CHECK(copy[0]["name"].view() == "tea");
}

TEST_CASE("result set: an incomplete row is refused when it is built", "[result_set]") {
  ResultSetBuilder builder;
  builder.add_column("a");
  builder.add_column("b");
  builder.add(as_parameter(1));
  CHECK_THROWS_AS(std::move(builder).build(), Error);
  ResultSetBuilder without_columns;
  without_columns.add(as_parameter(1));
  CHECK_THROWS_AS(std::move(without_columns).build(), Error);
}

TEST_CASE("result set: decoding an encoding gives the same set", "[result_set]") {
  ResultSetBuilder wide;
  for (int i = 0; i < 40; ++i) wide.add_column("column " + std::to_string(i));
  for (const ResultSet& set :
       {sample(), ResultSet(), cell(std::string(100'000, 'x')), std::move(wide).build()}) {
    const auto decoded = ResultSet::decode(set.encoded());
    REQUIRE(decoded);
    CHECK(*decoded == set);
    CHECK(decoded->encoded() == set.encoded());
    CHECK(decoded->size() == set.size());
    CHECK(decoded->columns() == set.columns());
  }
}

TEST_CASE("result set: the builder tells the size while it grows", "[result_set]") {
  ResultSetBuilder builder;
  builder.add_column("text");
  const std::size_t before = builder.bytes();
  builder.add(as_parameter(std::string(1000, 'x')));
  CHECK(builder.bytes() >= before + 1000);
  const std::size_t estimate = builder.bytes();
  const ResultSet set = std::move(builder).build();
  CHECK(set.heap_bytes() >= estimate);
  CHECK(set.heap_bytes() < estimate + 16);
}

TEST_CASE("result set: numeric text is a number for whoever asks for one", "[result_set]") {
  ResultSetBuilder builder;
  builder.add_column("sum", "numeric");
  builder.add_column("note", "text");
  for (const char* number :
       {"12345678901234567890.50", "42", "NaN", "-Infinity", "1e400", "many"}) {
    builder.add(as_parameter(number));
    builder.add(as_parameter(number));
  }
  const ResultSet set = std::move(builder).build();
  CHECK(set[0]["sum"].type() == ValueType::text);
  CHECK(set[0]["sum"].as<std::string>() == "12345678901234567890.50");
  CHECK(set[0]["sum"].as<double>() == 12345678901234567890.5);
  CHECK_THROWS_AS(set[0]["sum"].as<std::int64_t>(), TypeError);
  CHECK(set[1]["sum"].as<std::int64_t>() == 42);
  CHECK(set[1]["sum"].as<std::optional<short>>() == 42);
  CHECK(std::isnan(set[2]["sum"].as<double>()));
  CHECK(set[3]["sum"].as<double>() == -std::numeric_limits<double>::infinity());
  CHECK_THROWS_AS(set[4]["sum"].as<double>(), TypeError);
  CHECK_THROWS_WITH(set[5]["sum"].as<double>(), Catch::Contains("\"sum\", row 5: found text"));
  // Text that looks like a number stays text.
  CHECK_THROWS_AS(set[1]["note"].as<double>(), TypeError);
  CHECK_THROWS_AS(set[1]["note"].as<std::int64_t>(), TypeError);
}

TEST_CASE("result set: bytes come back as bytes", "[result_set]") {
  const std::vector<std::byte> raw{std::byte{0}, std::byte{0xFF}};
  ResultSetBuilder builder;
  builder.add_column("raw");
  builder.add(as_parameter(raw));
  builder.add(as_parameter("text"));
  builder.add(as_parameter(nullptr));
  const ResultSet set = std::move(builder).build();
  CHECK(set[0][0].as<std::vector<std::byte>>() == raw);
  CHECK_THROWS_AS(set[1][0].as<std::vector<std::byte>>(), TypeError);
  CHECK_FALSE(set[2][0].as<std::optional<std::vector<std::byte>>>().has_value());
}

TEST_CASE("result set: an array among the cells is text, so the set can be decoded",
          "[result_set]") {
  ResultSetBuilder builder;
  builder.add_column("a");
  builder.add(ParameterView::array(ValueType::int64, "{1}"));
  const ResultSet set = std::move(builder).build();
  CHECK(set[0][0].view() == "{1}");
  CHECK(ResultSet::decode(set.encoded()) == set);
}

TEST_CASE("result set: rows without columns are counted, and survive the encoding",
          "[result_set]") {
  ResultSetBuilder builder;
  for (int i = 0; i < 3; ++i) builder.add_bare_row();
  const ResultSet bare = std::move(builder).build();
  CHECK(bare.columns() == 0);
  REQUIRE(bare.size() == 3);
  CHECK(bare[2].size() == 0);
  CHECK_THROWS_AS(bare[2][0], TypeError);
  const auto decoded = ResultSet::decode(bare.encoded());
  REQUIRE(decoded);
  CHECK(decoded->size() == 3);
  CHECK_FALSE(*decoded == ResultSet());
  ResultSetBuilder mixed;
  mixed.add_column("a");
  mixed.add_bare_row();
  CHECK_THROWS_AS(std::move(mixed).build(), Error);
}

TEST_CASE("result set: what was moved from has neither columns nor rows", "[result_set]") {
  ResultSet from = sample();
  ResultSet to = std::move(from);
  CHECK(to == sample());
  // NOLINTBEGIN(bugprone-use-after-move): it is what is tested.
  CHECK(from.columns() == 0);
  CHECK(from.empty());
  for (const Row row : from) CHECK(row.size() == 77);
  CHECK_FALSE(from.find_column("id"));
  CHECK_THROWS_AS(from[0], TypeError);
  CHECK_FALSE(from == to);
  from = std::move(to);
  CHECK(to.empty());
  // NOLINTEND(bugprone-use-after-move)
  CHECK(from == sample());
  ResultSet& same = from;
  from = std::move(same);
  CHECK(from == sample());
}

TEST_CASE("result set: an enumeration of characters is read as a number", "[result_set]") {
  enum class Grade : char { best = 'A' };
  const ResultSet graded = cell(65);
  CHECK(graded[0][0].as<Grade>() == Grade::best);
  const ResultSet far = cell(300);
  CHECK(type_error([&] { (void)far[0][0].as<Grade>(); }).find("of that range") !=
        std::string::npos);
}
