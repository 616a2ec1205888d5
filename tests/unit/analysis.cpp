// What an analysis and a call's parameters make a result depend on.

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "querymark/automatic/analysis.hpp"
#include "querymark/key/list.hpp"
#include "querymark/key/tracked.hpp"

using namespace querymark;

namespace {

using Texts = std::vector<std::string>;
constexpr std::string_view kProduct = "public:product";

Analysis by(RouteType type, std::vector<RouteValue> values) {
  return {Verdict::cache, "", {{std::string(kProduct), "id", {{type, std::move(values)}}}}};
}
RouteValue parameter(std::size_t place) { return {.parameter = place}; }

Texts depends(const Analysis& analysis, std::vector<ParameterView> parameters) {
  Texts texts;
  for (const Target& target : targets_of(analysis, parameters)) texts.push_back(target.text());
  return texts;
}
const Texts kAny{"%any:public:product", "%schema"};
Texts rows(const Texts& values) {
  Texts texts;
  for (const std::string& value : values) texts.push_back("%row:public:product:id:" + value);
  texts.insert(texts.end(), {"%all:public:product", "%schema"});
  return texts;
}

}  // namespace

TEST_CASE("analysis: a parameter names the row", "[analysis]") {
  const Analysis analysis = by(RouteType::integer, {parameter(0)});
  CHECK(depends(analysis, {ParameterView::int64(7)}) == rows({"7"}));
  CHECK(depends(analysis, {ParameterView::int64(-7)}) == rows({"-7"}));
}

TEST_CASE("analysis: a parameter that may equal what is written otherwise names no row",
          "[analysis]") {
  const Analysis analysis = by(RouteType::integer, {parameter(0)});
  CHECK(depends(analysis, {ParameterView::text(" 7 ")}) == kAny);  // equals 7 in SQLite
  CHECK(depends(analysis, {ParameterView::float64(7)}) == kAny);
  CHECK(depends(analysis, {ParameterView()}) == kAny);
  CHECK(depends(analysis, {}) == kAny);
  const Analysis text = by(RouteType::text, {parameter(0)});
  CHECK(depends(text, {ParameterView::int64(7)}) == kAny);
  CHECK(depends(text, {ParameterView()}) == kAny);
  CHECK(depends(text, {ParameterView::text(std::string(128, 'x'))}) ==
        rows({std::string(128, 'x')}));
  CHECK(depends(text, {ParameterView::text(std::string(129, 'x'))}) == kAny);
  CHECK(depends(text, {ParameterView::text(std::string(43, ','))}) == kAny);  // 129 as written
  CHECK(depends(text, {ParameterView::text("\xFF")}) == kAny);
  CHECK(depends(text, {ParameterView::text(std::string_view("a\0b", 3))}) == kAny);
  CHECK(depends(text, {ParameterView::text("a,b:c+d")}) == rows({"a%2Cb%3Ac%2Bd"}));
}

TEST_CASE("analysis: a uuid is written in one way", "[analysis]") {
  const Analysis analysis = by(RouteType::uuid, {parameter(0)});
  CHECK(depends(analysis, {ParameterView::text("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11")}) ==
        rows({"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"}));
  CHECK(depends(analysis, {ParameterView::text("{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}")}) == kAny);
  CHECK(depends(analysis, {ParameterView::text("a0eebc999c0b4ef8bb6d6bb9bd380a110000")}) == kAny);
}

TEST_CASE("analysis: lists name each of their rows, up to a bound", "[analysis]") {
  const Analysis analysis = by(RouteType::integer, {{.parameter = 0, .elements = true}});
  const auto list = [](int count, bool with_null) {
    ListBuilder builder;
    for (int i = 0; i < count; ++i) builder.add(ParameterView::int64(i));
    if (with_null) builder.add(ParameterView());
    return std::move(builder).build();
  };
  const OwnedParameter two = list(2, true);
  CHECK(depends(analysis, {two}) == rows({"0", "1"}));
  const OwnedParameter none = list(0, false);
  CHECK(depends(analysis, {none}) == rows({}));
  const OwnedParameter most = list(kMaxRouteValues, false);
  CHECK(depends(analysis, {most}).size() == kMaxRouteValues + 2);
  const OwnedParameter more = list(kMaxRouteValues + 1, false);
  CHECK(depends(analysis, {more}) == kAny);
  CHECK(depends(analysis, {ParameterView::array(ValueType::int64, "{1,2}")}) == kAny);
}

TEST_CASE("analysis: several columns, constants and occurrences", "[analysis]") {
  Analysis analysis{Verdict::cache, "", {}};
  analysis.occurrences.push_back({"public:order",
                                  "tenant+id",
                                  {{RouteType::text, {{.constant = "acme"}}},
                                   {RouteType::integer, {parameter(1), parameter(0)}}}});
  analysis.occurrences.push_back({"public:customer", "", {}});
  CHECK(depends(analysis, {ParameterView::int64(1), ParameterView::int64(2)}) ==
        Texts{"%row:public:order:tenant+id:acme+2", "%row:public:order:tenant+id:acme+1",
              "%all:public:order", "%any:public:customer", "%schema"});
  CHECK(analysis.str() ==
        "cache\n  public:order by tenant+id = acme $2 or $1\n  public:customer, any row");
}

TEST_CASE("analysis: of several columns each combination is named, up to the same bound",
          "[analysis]") {
  Analysis analysis{Verdict::cache, "", {}};
  RoutedColumn eight{RouteType::integer, {}};
  for (int i = 0; i < 8; ++i) eight.values.push_back({.constant = std::to_string(i)});
  analysis.occurrences.push_back({std::string(kProduct), "shop+id", {eight, eight}});
  CHECK(depends(analysis, {}).size() == kMaxRouteValues + 2);
  analysis.occurrences[0].columns[1].values.push_back({.constant = "8"});
  CHECK(depends(analysis, {}) == kAny);
}

TEST_CASE("analysis: a date that is a text is one of numbers, or means another one tomorrow",
          "[analysis]") {
  Analysis analysis = by(RouteType::integer, {parameter(0)});
  const auto same = [&analysis](ParameterView value) {
    return mean_the_same(analysis, std::vector{value});
  };
  CHECK(same(ParameterView::text("today")));  // it becomes none
  analysis.dates = {0};
  CHECK(same(ParameterView::text("2026-01-31 12:00:00.5+01")));
  CHECK(same(ParameterView::text("2026-01-31T12:00Z")));
  CHECK(same(ParameterView::timestamp(0)));
  CHECK(same(ParameterView()));
  for (const char* text : {"today", "NOW", " tomorrow", "yesterday", "infinity", "jan 1 2026"})
    CHECK(!same(ParameterView::text(text)));
  CHECK(!mean_the_same(analysis, {}));
  ListBuilder list;
  list.add(ParameterView::text("2026-01-31")).add(ParameterView::text("today"));
  const OwnedParameter owned = std::move(list).build();
  CHECK(!same(owned));
}

TEST_CASE("analysis: one key of a list names its own row, if keys are told apart", "[analysis]") {
  Analysis analysis = by(RouteType::integer, {{.parameter = 0, .elements = true}});
  const auto depends_on_key = [&](std::vector<ParameterView> parameters) {
    Texts texts;
    for (const Target& target : targets_of_one_key(analysis, parameters))
      texts.push_back(target.text());
    return texts;
  };
  CHECK(depends_on_key({ParameterView::int64(7)}) == kAny);
  analysis.keys_apart = true;
  CHECK(depends_on_key({ParameterView::int64(7)}) == rows({"7"}));
  CHECK(depends_on_key({ParameterView::int64(7), ParameterView::int64(8)}) == rows({"7"}));
  CHECK(depends_on_key({ParameterView::text("7")}) == kAny);
  CHECK(depends_on_key({ParameterView()}) == rows({}));
  CHECK(depends_on_key({}) == kAny);
}

TEST_CASE("analysis: promises name functions, and no two of them are taken for the same",
          "[analysis]") {
  const Promises promises{{}, {"f", "app.g"}};
  CHECK(promises.calls_pure("public", "f"));
  CHECK(promises.calls_pure("app", "g"));
  CHECK_FALSE(promises.calls_pure("public", "g"));
  CHECK_FALSE(promises.calls_pure("ap", "p.g"));
  CHECK_FALSE(promises.calls_pure("app", ""));
  CHECK(key_of(Promises{}).empty());
  CHECK(key_of(Promises{{"a"}, {}}) != key_of(Promises{{}, {"a"}}));
  CHECK(key_of(Promises{{"a", "b"}, {}}) != key_of(Promises{{"ar1:b"}, {}}));
}
