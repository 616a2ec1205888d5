// The names under which triggers report what a write has changed.

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "querymark/key/tracked.hpp"
#include "querymark/log/log_rows.hpp"
#include "querymark/support/error.hpp"

using namespace querymark;

namespace {

using Texts = std::vector<std::string>;

Texts texts_of(std::string_view kind, std::string_view text) {
  Texts texts;
  const auto targets = targets_in_log(kind, text);
  if (!targets) return {"malformed"};
  for (const Target& target : *targets) texts.push_back(target.text());
  return texts;
}

Target product(const Texts& values) { return row_of("public:product", "id", values); }

}  // namespace

TEST_CASE("tracked: what an intent of triggers invalidates", "[tracked]") {
  CHECK(targets_in_log("rows", "public:product") == std::vector{any_row_of("public:product")});
  CHECK(targets_in_log("rows", "public:product:id:7,8") ==
        std::vector{any_row_of("public:product"), product({"7"}), product({"8"})});
  CHECK(targets_in_log("relation", "public:product") ==
        std::vector{any_row_of("public:product"), all_rows_of("public:product")});
  CHECK(targets_in_log("schema", "schema") == std::vector{schema_of_all()});
  CHECK(targets_in_log("tag", "price") == std::vector{tag("price")});
}

TEST_CASE("tracked: a route of several columns", "[tracked]") {
  const Texts columns{"tenant", "id"};
  CHECK(route_name(columns) == "tenant+id");
  CHECK(targets_in_log("rows", "public:order:tenant+id:1+7,2+8") ==
        std::vector{any_row_of("public:order"),
                    row_of("public:order", "tenant+id", Texts{"1", "7"}),
                    row_of("public:order", "tenant+id", Texts{"2", "8"})});
  CHECK(texts_of("rows", "public:order:tenant+id:1") == Texts{"malformed"});
  CHECK(texts_of("rows", "public:order:id:1+2") == Texts{"malformed"});
}

TEST_CASE("tracked: values and names that look like the text around them", "[tracked]") {
  const std::string relation = relation_name("pub:lic", "a,b+c%d");
  CHECK(relation == "pub%3Alic:a%2Cb%2Bc%25d");
  const std::string route = route_name(Texts{"i:d"});
  const Texts value{"x,y+z:%"};
  const std::string text = relation + ":" + route + ":" + escape_tracked(value[0]);
  CHECK(targets_in_log("rows", text) ==
        std::vector{any_row_of(relation), row_of(relation, route, value)});
  CHECK(texts_of("rows", "public:product:id:") ==
        Texts{"%any:public:product", "%row:public:product:id:"});
  CHECK(product({""}) != product({","}));
}

TEST_CASE("tracked: rows of the log that triggers can't have made are malformed", "[tracked]") {
  for (const std::string_view text :
       {"", "product", ":product", "public:", "public:product:id", "public:product:id:7:8",
        "a:b%20", "public:product:id:7%", "public:product:id:%zz", "\xFF:product"}) {
    CAPTURE(text);
    CHECK_FALSE(targets_in_log("rows", text));
  }
  CHECK_FALSE(targets_in_log("relation", "public:product:id:7"));
  CHECK_FALSE(targets_in_log("relation", "pub%20lic:product"));
  CHECK_FALSE(targets_in_log("schema", ""));
  CHECK_FALSE(targets_in_log("schema", "public"));
  CHECK_FALSE(targets_in_log("tracked", "%schema"));  // a target, and no intent
  CHECK_FALSE(targets_in_log("rows", std::string(2000, 'x').append(":product")));
}

TEST_CASE("tracked: no tag of a user's is one of them", "[tracked]") {
  CHECK(tag("%any", "public", "product") != any_row_of("public:product"));
  CHECK_FALSE(Target::from_log("tag", "%any:public:product"));
  CHECK_FALSE(Target::from_log("tracked", "any:public:product"));
  CHECK_FALSE(Target::from_log("tracked", "public:product"));
  for (const Target& target :
       {any_row_of("a:b"), all_rows_of("a:b"), product({"1"}), schema_of_all()}) {
    CHECK(Target::from_log("tracked", target.text()) == target);
    CHECK(target.kind() == TargetKind::tracked);
  }
  CHECK_THROWS_AS(any_row_of(std::string(2000, 'x')), ConfigError);
}

TEST_CASE("tracked: a page of the log is cut between its rows, not within one", "[tracked]") {
  std::vector<LogRow> rows;
  append_row(rows, {.id = 1}, "rows", "a:b:id:1,2");
  append_row(rows, {.id = 2}, "tag", "%");
  append_row(rows, {.id = 3}, "relation", "a:b");
  REQUIRE(rows.size() == 6);
  CHECK_FALSE(rows[3].target);
  CHECK_FALSE(cut_page(rows, 3));
  CHECK(rows.size() == 6);
  CHECK(cut_page(rows, 2));
  CHECK(rows.size() == 4);
  CHECK(cut_page(rows, 1));
  CHECK(rows.back().target == row_of("a:b", "id", Texts{"2"}));
  CHECK(rows.size() == 3);
}
