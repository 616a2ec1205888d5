#include "querymark/key/parameters.hpp"

#include <catch2/catch.hpp>

namespace {

struct Money {
  std::int64_t cents;
};

// Is made into text for the database; the empty one is NULL.
struct Colour {
  std::string name;
};

}  // namespace

template <>
struct querymark::ParameterTraits<Colour> {
  static OwnedParameter view(const Colour& colour) {
    if (colour.name.empty()) return {};
    return {ParameterView::text({}), "#" + colour.name};
  }
};

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
  STATIC_REQUIRE_FALSE(BindableParameter<std::vector<std::vector<int>>>);
  STATIC_REQUIRE_FALSE(BindableParameter<std::pair<int, int>>);
}

TEST_CASE("parameter: a list owns copies of its texts, also after a move", "[parameter]") {
  std::string text = "a text that is too long for the small-string buffer of std::string";
  const std::string expected = text;
  Parameters first(text, 7, Bytes{"raw"}, nullptr, "");
  text.assign(text.size(), '#');
  Parameters list(std::move(first));
  REQUIRE(list.views().size() == 5);
  CHECK(list.views()[0].as_view() == expected);
  CHECK(list.views()[1].as_int64() == 7);
  CHECK(list.views()[2].type() == ValueType::bytes);
  CHECK(list.views()[2].as_view() == "raw");
  CHECK(list.views()[3].type() == ValueType::null);
  CHECK(list.views()[4].type() == ValueType::text);
}

TEST_CASE("parameter: a value that is converted first owns its text as long as needed",
          "[parameter]") {
  const std::string longer(100, 'r');
  const OwnedParameter held = as_parameter(Colour{"red"});
  CHECK(ParameterView(held).type() == ValueType::text);
  CHECK(ParameterView(held).as_view() == "#red");
  const OwnedParameter moved = OwnedParameter(held);
  CHECK(ParameterView(moved).as_view() == "#red");
  CHECK(ParameterView(moved).as_view().data() != ParameterView(held).as_view().data());
  CHECK(ParameterView(as_parameter(Colour{})).type() == ValueType::null);
  CHECK(ParameterView(as_parameter(std::optional<Colour>())).type() == ValueType::null);

  const Parameters list(Colour{"red"}, Colour{longer}, 7);
  CHECK(list.views()[0].as_view() == "#red");
  CHECK(list.views()[1].as_view() == "#" + longer);
  CHECK(list.views()[2].as_int64() == 7);

  const auto call = [&](const auto&... args) {
    const detail::CallParameters<std::remove_cvref_t<decltype(args)>...> values(args...);
    std::string texts;
    for (const ParameterView view : values.views())
      texts += view.has_bytes() ? std::string(view.as_view()) + ' ' : "- ";
    return texts;
  };
  CHECK(call(Colour{"red"}, 5, Colour{longer}, "plain") == "#red - #" + longer + " plain ");
  CHECK(call().empty());
}

TEST_CASE("parameter: ranges of bytes are bytes, not text", "[parameter]") {
  const std::vector<std::byte> raw{std::byte{0}, std::byte{0xFF}};
  const auto same = [](ParameterView view) {
    return view.type() == ValueType::bytes && view.as_view() == std::string_view("\0\xFF", 2);
  };
  CHECK(same(as_parameter(raw)));
  CHECK(same(as_parameter(std::span<const std::byte>(raw))));
  CHECK(same(as_parameter(std::array{std::byte{0}, std::byte{0xFF}})));
  CHECK(as_parameter(std::vector<std::byte>()).type() == ValueType::bytes);
  CHECK(as_parameter(std::optional<std::vector<std::byte>>()).type() == ValueType::null);
}

TEST_CASE("parameter: an array knows the type of its elements, also as a copy", "[parameter]") {
  std::string literal = "{1,2}";
  const ParameterView array = ParameterView::array(ValueType::int64, literal);
  const Parameters list(array);
  literal = "#####";
  CHECK(list.views()[0].type() == ValueType::array);
  CHECK(list.views()[0].element_type() == ValueType::int64);
  CHECK(list.views()[0].as_view() == "{1,2}");
}
