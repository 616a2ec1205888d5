#include "querymark/key/parameter.hpp"

#include <catch2/catch.hpp>

namespace {

struct Money {
  std::int64_t cents;
};

}  // namespace

template <>
struct querymark::ParameterTraits<Money> {
  static ParameterView view(const Money& money) { return ParameterView::int64(money.cents); }
};

namespace {

using namespace querymark;

}  // namespace

TEST_CASE("parameter: each C++ type becomes its SQL type", "[parameter]") {
  CHECK(as_parameter(nullptr).type() == ValueType::null);
  CHECK(as_parameter(std::nullopt).type() == ValueType::null);
  CHECK(as_parameter(true).type() == ValueType::boolean);
  CHECK(as_parameter(true).as_int64() == 1);
  CHECK(as_parameter(short{-3}).as_int64() == -3);
  CHECK(as_parameter(7U).type() == ValueType::int64);
  CHECK(as_parameter(1.5F).type() == ValueType::float64);
  CHECK(as_parameter(1.5F).as_float64() == 1.5);
  CHECK(as_parameter("abc").type() == ValueType::text);
  CHECK(as_parameter("abc").as_view() == "abc");
  CHECK(as_parameter(std::string("a\0b", 3)).as_view().size() == 3);
  CHECK(as_parameter(std::string_view("x")).type() == ValueType::text);
  CHECK(as_parameter(Bytes{"x"}).type() == ValueType::bytes);
  CHECK(as_parameter(Bytes{"x"}).as_view() == "x");
  CHECK(as_parameter(ParameterView::int64(9)).as_int64() == 9);
}

TEST_CASE("parameter: a null pointer to characters is NULL, not an empty text", "[parameter]") {
  const char* nothing = nullptr;
  CHECK(as_parameter(nothing).type() == ValueType::null);
  const char* empty = "";
  CHECK(as_parameter(empty).type() == ValueType::text);
}

TEST_CASE("parameter: an optional is NULL when empty and its value otherwise", "[parameter]") {
  CHECK(as_parameter(std::optional<int>()).type() == ValueType::null);
  CHECK(as_parameter(std::optional<int>(0)).type() == ValueType::int64);
  CHECK(as_parameter(std::optional<std::string>("")).type() == ValueType::text);
}

TEST_CASE("parameter: an integer above 2^63-1 is refused instead of wrapping", "[parameter]") {
  constexpr std::uint64_t kLargest = 9'223'372'036'854'775'807ULL;
  CHECK(as_parameter(kLargest).as_int64() == std::numeric_limits<std::int64_t>::max());
  CHECK_THROWS_AS(as_parameter(kLargest + 1), ConfigError);
  CHECK_THROWS_AS(as_parameter(std::numeric_limits<std::uint64_t>::max()), ConfigError);
  CHECK_THROWS_AS(as_parameter(std::optional(kLargest + 1)), ConfigError);
}

TEST_CASE("parameter: a type of one's own is bound through its traits", "[parameter]") {
  CHECK(as_parameter(Money{250}).as_int64() == 250);
  CHECK(as_parameter(std::optional(Money{250})).as_int64() == 250);
  STATIC_REQUIRE_FALSE(BindableParameter<std::vector<int>>);
}

TEST_CASE("parameter: a list owns copies of its texts, also after a move", "[parameter]") {
  std::string text = "a text that is too long for the small-string buffer of std::string";
  const std::string expected = text;
  detail::ParameterList first(text, 7, Bytes{"raw"}, nullptr, "");
  text.assign(text.size(), '#');
  detail::ParameterList list(std::move(first));
  REQUIRE(list.views().size() == 5);
  CHECK(list.views()[0].as_view() == expected);
  CHECK(list.views()[1].as_int64() == 7);
  CHECK(list.views()[2].type() == ValueType::bytes);
  CHECK(list.views()[2].as_view() == "raw");
  CHECK(list.views()[3].type() == ValueType::null);
  CHECK(list.views()[4].type() == ValueType::text);
}
