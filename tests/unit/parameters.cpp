#include "querymark/key/parameters.hpp"

#include <catch2/catch.hpp>
#include <limits>

#include "querymark/key/key_encoder.hpp"

// Parameters whose number or whose length is known at run time only, and what they are in a key.

namespace {

using namespace querymark;
using namespace std::chrono_literals;
using std::vector;

enum class Colour : std::uint8_t { red = 1, blue = 200 };
enum class Grade : char { best = 'A', lost = -1 };
enum class Deep : std::uint64_t { far = std::numeric_limits<std::uint64_t>::max() };

const KeyPrefix kPrefix("rows", KeyPrefix::Form::sql, {}, "select 1");

// The key of a call with these arguments.
template <class... Args>
std::string key(const Args&... args) {
  KeyEncoder encoder(kPrefix);
  (encoder.add_argument(args), ...);
  return std::string(encoder.key().parameters);
}
template <class... Args>
std::uint64_t hash(const Args&... args) {
  KeyEncoder encoder(kPrefix);
  (encoder.add_argument(args), ...);
  return encoder.hash();
}

template <class T>
vector<ParameterView> elements(const T& list) {
  static OwnedParameter held;
  held = as_parameter(list);
  return elements_of_list(held);
}

}  // namespace

TEST_CASE("parameters: a member may begin without any", "[key]") {
  struct Call {
    std::string sql;
    Parameters parameters = {};
  };
  const Call call{.sql = "select 1"};
  CHECK(call.parameters.empty());
  CHECK(key(call.parameters) == key());
}

TEST_CASE("parameters: what is gathered at run time has the key of what is written out",
          "[parameters]") {
  Parameters gathered;
  CHECK(gathered.empty());
  gathered.add(7).add("x").add(nullptr).add(vector<int>{1, 2});
  CHECK(gathered.size() == 4);
  CHECK(key(gathered) == key(7, "x", nullptr, vector<int>{1, 2}));
  CHECK(hash(gathered) == hash(7, "x", nullptr, vector<int>{1, 2}));
  CHECK(key(0, gathered, 9) == key(0, 7, "x", nullptr, vector<int>{1, 2}, 9));
  CHECK(key(Parameters()) == key());
  CHECK(key(Parameters(7), Parameters("x")) == key(7, "x"));
}

TEST_CASE("parameters: they own what they were given, also as copies", "[parameters]") {
  std::string text(100, 'a');
  Parameters first(text);
  const Parameters copy = first;
  first.add(first).add(first);
  text.assign(100, '#');
  CHECK(first.size() == 4);
  for (const ParameterView view : first.views()) CHECK(view.as_view() == std::string(100, 'a'));
  CHECK(copy.size() == 1);
  CHECK(copy.views()[0].as_view() == std::string(100, 'a'));
  CHECK(copy.views()[0].as_view().data() != first.views()[0].as_view().data());
}

TEST_CASE("parameters: a call's views are in order, whatever they come from", "[parameters]") {
  const Parameters two("b", 3);
  const int one = 1;
  const std::string last = "d";
  const detail::CallParameters<int, Parameters, std::string> values(one, two, last);
  REQUIRE(values.views().size() == 4);
  CHECK(values.views()[0].as_int64() == 1);
  CHECK(values.views()[1].as_view() == "b");
  CHECK(values.views()[2].as_int64() == 3);
  CHECK(values.views()[3].as_view() == "d");
}

TEST_CASE("parameters: a list is one parameter, and its elements are what they would be alone",
          "[parameters]") {
  const auto numbers = elements(vector<std::optional<int>>{1, std::nullopt, -7});
  REQUIRE(numbers.size() == 3);
  CHECK(numbers[0].as_int64() == 1);
  CHECK(numbers[1].type() == ValueType::null);
  CHECK(numbers[2].as_int64() == -7);
  CHECK(elements(vector<bool>{true, false})[0].type() == ValueType::boolean);
  CHECK(elements(std::array<double, 1>{0.5})[0].as_float64() == 0.5);
  const std::string texts[] = {"a", ""};
  CHECK(elements(std::span<const std::string>(texts))[1].type() == ValueType::text);
  CHECK(elements(vector<Bytes>{{"x"}})[0].type() == ValueType::bytes);
  CHECK(elements(vector<Colour>{Colour::blue})[0].as_int64() == 200);
  CHECK(elements(vector<int>()).empty());
  const std::vector<std::byte> raw{std::byte{1}};
  CHECK(as_parameter(raw).type() == ValueType::bytes);
  CHECK(as_parameter(std::span<const std::byte>(raw)).type() == ValueType::bytes);
}

TEST_CASE("parameters: a list is its own key: no text, no other list, no run of parameters",
          "[parameters]") {
  const vector<std::string> keys{
      key(nullptr),
      key(""),
      key("a"),
      key("a", "b"),
      key(Bytes{"a"}),
      key(vector<int>()),
      key(vector<int>(), vector<int>()),
      key(vector<std::optional<int>>{std::nullopt}),
      key(vector<std::string>{""}),
      key(vector<std::string>{"", ""}),
      key(vector<std::string>{"a"}),
      key(vector<std::string>{"a", "b"}),
      key(vector<std::string>{"a"}, vector<std::string>{"b"}),
      key(vector<std::string>{"ab"}),
      key(vector<Bytes>{{"a"}}),
      key(vector<int>{1}),
      key(vector<double>{1}),
      key(vector<bool>{true}),
      key(1),
      key(true),
      key(as_parameter(vector<int>{1}).operator ParameterView().as_view())};
  for (std::size_t a = 0; a < keys.size(); ++a)
    for (std::size_t b = 0; b < a; ++b) {
      CAPTURE(a, b);
      CHECK(keys[a] != keys[b]);
    }
  CHECK(key(vector<int>{1}) == key(vector<std::int64_t>{1}));
  CHECK(key(vector<const char*>{"a"}) == key(vector<std::string>{"a"}));
  CHECK(key(std::optional<vector<int>>()) == key(nullptr));
}

TEST_CASE("parameters: what no ListBuilder has made is refused", "[parameters]") {
  for (const std::string_view encoded :
       {std::string_view("\x02", 1), std::string_view("\x04\x05\0\0\0a", 6),
        std::string_view("\x07\0\0\0\0", 5), std::string_view("\xFF", 1)})
    CHECK_THROWS_AS(elements_of_list(ParameterView::list(encoded)), ConfigError);
  CHECK_THROWS_AS(ListBuilder().add(ParameterView::list({})), ConfigError);
  CHECK_THROWS_AS(ListBuilder().add(ParameterView::array(ValueType::null, "{}")), ConfigError);
}

TEST_CASE("parameters: an enumeration is its number, a duration the number of its units",
          "[parameters]") {
  CHECK(as_parameter(Colour::blue).as_int64() == 200);
  CHECK(as_parameter(std::optional<Colour>()).type() == ValueType::null);
  CHECK_THROWS_AS(as_parameter(Deep::far), ConfigError);
  CHECK(as_parameter(90s).as_int64() == 90);
  CHECK(as_parameter(-2h).as_int64() == -2);
  CHECK(as_parameter(std::chrono::duration<double>(0.5)).as_float64() == 0.5);
  CHECK(as_parameter(Grade::best).as_int64() == 'A');
  CHECK(as_parameter(Grade::lost).as_int64() == static_cast<char>(-1));
  STATIC_REQUIRE_FALSE(BindableParameter<std::byte>);
  STATIC_REQUIRE_FALSE(BindableParameter<char>);  // a number, or a text?
  STATIC_REQUIRE_FALSE(BindableParameter<char8_t>);
}

TEST_CASE("parameters: a point in time is UTC, cut to microseconds", "[parameters]") {
  using namespace std::chrono;
  const sys_days day{2026y / November / 26};
  const ParameterView second = as_parameter(sys_seconds(day + 3h + 4min + 5s));
  CHECK(second.type() == ValueType::timestamp);
  const auto text = [](ParameterView view) {
    return detail::time_text(detail::Microseconds(microseconds(view.as_int64())));
  };
  CHECK(text(second) == "2026-11-26 03:04:05");
  CHECK(text(as_parameter(sys_time<milliseconds>(day + 5ms))) == "2026-11-26 00:00:00.005");
  CHECK(text(as_parameter(sys_time<nanoseconds>(day + 5999ns))) == "2026-11-26 00:00:00.000005");
  CHECK(text(as_parameter(sys_seconds(-1s))) == "1969-12-31 23:59:59");
  CHECK(text(as_parameter(sys_time<nanoseconds>(-1ns))) == "1969-12-31 23:59:59.999999");
  CHECK(key(sys_seconds(7s)) != key(7'000'000));
  CHECK(key(sys_seconds(7s)) == key(sys_time<milliseconds>(7000ms)));
  CHECK(ParameterView(as_parameter(day)).as_view() == "2026-11-26");
  CHECK(ParameterView(as_parameter(year_month_day(day))).as_view() == "2026-11-26");
}

TEST_CASE("parameters: a time that texts can't hold is refused", "[parameters]") {
  using namespace std::chrono;
  const sys_days latest{9999y / December / 31};
  const sys_days first{1y / January / 1};
  CHECK(ParameterView(as_parameter(latest)).as_view() == "9999-12-31");
  CHECK(ParameterView(as_parameter(first)).as_view() == "0001-01-01");
  CHECK_THROWS_AS(as_parameter(latest + days(1)), ConfigError);
  CHECK_THROWS_AS(as_parameter(first - days(1)), ConfigError);
  CHECK_THROWS_AS(as_parameter(sys_seconds::max()), ConfigError);
  CHECK_THROWS_AS(as_parameter(sys_seconds::min()), ConfigError);
  CHECK_THROWS_AS(as_parameter(2026y / February / 30), ConfigError);
}

TEST_CASE("parameters: times are read in every spelling that the databases use", "[parameters]") {
  using namespace std::chrono;
  const sys_days day{2026y / November / 26};
  const auto time = [](std::string_view text) { return detail::parse_time(text); };
  CHECK(time("2026-11-26") == day);
  CHECK(time("2026-11-26 03:04") == day + 3h + 4min);
  CHECK(time("2026-11-26 03:04:05") == day + 3h + 4min + 5s);
  CHECK(time("2026-11-26T03:04:05Z") == day + 3h + 4min + 5s);
  CHECK(time("2026-11-26 03:04:05.5") == day + 3h + 4min + 5s + 500ms);
  CHECK(time("2026-11-26 03:04:05.1234569+00") == day + 3h + 4min + 5s + 123456us);
  CHECK(time("2026-11-26 03:04:05+02") == day + 1h + 4min + 5s);
  CHECK(time("2026-11-26 03:04:05-05:30") == day + 8h + 34min + 5s);
  CHECK(time("2026-11-26 03:04:05 +00:00:05") == day + 3h + 4min);
  for (const std::string_view bad :
       {"", "infinity", "2026", "2026-11", "2026-13-01", "2026-02-30", "2026-11-26 ", "2026-11-26x",
        "2026-11-26 24:00:00", "2026-11-26 03:60", "2026-11-26 03:04:60", "2026-11-26 03:04:05.",
        "2026-11-26 03:04:05+2", "2026-11-26 03:04:05 BC", "12026-11-26", "-026-11-26", "26-11-26",
        "2026-11-26 03:04:05+02 ", "2026-1-26"}) {
    CAPTURE(bad);
    CHECK_FALSE(time(bad).has_value());
  }
}
