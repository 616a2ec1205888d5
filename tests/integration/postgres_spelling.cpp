// Numbers and types are named and spelled as the server does, which is asked.

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <pqxx/nontransaction>
#include <pqxx/transaction>

#include "connection.hpp"
#include "float_text.hpp"
#include "property/random.hpp"
#include "support/pg_shop.hpp"
#include "support/rows.hpp"

using namespace querymark;
using namespace querymark::test;
using Catch::Matchers::Contains;
using std::vector;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

}  // namespace

TEST_CASE("postgres spelling: NaN has no sign, and infinity is a word", "[postgres]") {
  const PgShop shop;
  PgProcess process(shop);
  for (const double value : {kNan, -kNan, std::copysign(kNan, -1.0)}) {
    const Result result =
        process.db.query("select $1::numeric, $1::float8, $1::float4, $1::text", value).fetch();
    CHECK(result[0][0].view() == "NaN");
    CHECK(std::isnan(result[0][1].as<double>()));
    CHECK(result[0][3].view() == "NaN");
    const auto array =
        process.db.query("select $1::numeric[]", vector<double>{value, 1.5, -kInfinity}).fetch();
    CHECK(array[0][0].view() == "{NaN,1.5,-Infinity}");
    const auto written = process.db.write([&](postgres::Transaction& tx) {
      return tx.query("select $1::numeric, $2::numeric[]", value, vector<double>{value});
    });
    CHECK(written.value[0][0].view() == "NaN");
    CHECK(written.value[0][1].view() == "{NaN}");
  }
  const Result infinite =
      process.db.query("select $1::numeric, $2::numeric", kInfinity, -kInfinity).fetch();
  CHECK(infinite[0][0].view() == "Infinity");
  CHECK(infinite[0][1].view() == "-Infinity");
  CHECK(only(process.db.query("select $1::int", 5.0).fetch_as<int>()) == 5);
}

TEST_CASE("postgres spelling: doubles and floats are spelled as the server spells them",
          "[postgres]") {
  const PgShop shop;
  postgres::Connection connection(shop.url(), {});
  Choices choices(Choices::first_seed());
  vector<double> doubles{0.0,
                         -0.0,
                         1e15,
                         123456789012345.0,
                         1e14,
                         1e-4,
                         1e-5,
                         0.1,
                         1e23,
                         -1e23,
                         5e-324,
                         std::numeric_limits<double>::max(),
                         1e22,
                         9007199254740993.0,
                         2.2250738585072014e-308,
                         kNan,
                         kInfinity,
                         -kInfinity,
                         1e300,
                         4.5};
  vector<float> floats{0.0F,        1e5F,          1e6F,   2147483647.0F,  16777216.0F,
                       1e-4F,       1e-5F,         1e-45F, 0.1F,           3.4028235e38F,
                       33554432.0F, 8589934592.0F, 1e10F,  1.17549435e-38F};
  for (int exponent = -1074; exponent < 1024; exponent += 3) {
    doubles.push_back(std::ldexp(1.0, exponent));  // half as far from the one below
    doubles.push_back(std::pow(10.0, exponent / 4));
  }
  for (int exponent = -149; exponent < 128; ++exponent)
    floats.push_back(std::ldexp(1.0F, exponent));
  for (int exponent = -44; exponent < 39; ++exponent)
    floats.push_back(static_cast<float>(std::pow(10.0, exponent)));
  for (int i = 0; i < 3000; ++i) {
    const std::uint64_t bits = (std::uint64_t{choices.below(1U << 31U)} << 33U) ^
                               (std::uint64_t{choices.below(1U << 31U)} << 11U) ^
                               choices.below(1U << 12U);
    doubles.push_back(std::bit_cast<double>(bits));
    doubles.push_back(static_cast<double>(bits >> choices.below(40)));  // whole numbers
    floats.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits >> 17U)));
  }
  const OwnedParameter all_doubles = as_parameter(doubles);
  const ResultSet spelled = connection.query(
      "select v, v::text from unnest($1::float8[]) with ordinality t(v, n) order by n",
      {all_doubles});
  REQUIRE(spelled.size() == doubles.size());
  int wrong = 0;
  for (std::size_t i = 0; i < doubles.size(); ++i) {
    const std::string text = spelled.row(i)[1].as<std::string>();
    const std::string ours = postgres::float_text(doubles[i]);
    if (ours != text && ++wrong < 20) UNSCOPED_INFO(ours << " but the server: " << text);
    if (postgres::cell_text(spelled.row(i)[0]) != text) ++wrong;
  }
  const OwnedParameter all_floats = as_parameter(floats);
  const ResultSet reals = connection.query(
      "select v, v::text from unnest($1::float4[]) with ordinality t(v, n) order by n",
      {all_floats});
  REQUIRE(reals.size() == floats.size());
  for (std::size_t i = 0; i < floats.size(); ++i) {
    const std::string text = reals.row(i)[1].as<std::string>();
    const std::string ours = postgres::float_text(floats[i]);
    if (ours != text && ++wrong < 20) UNSCOPED_INFO(ours << " but the server: " << text);
    if (postgres::cell_text(reals.row(i)[0]) != text) ++wrong;
  }
  CHECK(wrong == 0);
}

TEST_CASE("postgres spelling: a column's type is named as the database names it", "[postgres]") {
  const PgShop shop;
  shop.execute(
      "create type mood as enum ('sad', 'ok'); create domain price as integer check (value > 0);"
      "create type pair as (a int, b text); create schema other; create type other.mood as enum "
      "('x'); create table typed as select 'ok'::mood as enum, array['sad'::mood] as enums, "
      "array[5]::price[] as prices, '[1,2)'::int4range as range, '5'::money as money, "
      "b'01'::bit(2) as bits, '(1,x)'::pair as pair, now() as at, now()::timestamp as local, "
      "localtime as clock, timetz 'now' as zoned, 'x'::other.mood as elsewhere, "
      "array[now()] as times, '{[1,2)}'::int4multirange as ranges, 7::price as one, "
      "'a'::varchar(3) as short, '\\x00'::bytea as raw, box '1,2,3,4' as box, "
      "array[box '1,2,3,4'] as boxes");
  PgProcess process(shop);
  const ResultSet rows =
      process.db
          .write([](postgres::Transaction& tx) {
            return tx.query("select t.*, t.enum as again, 1.5::numeric as last from typed t");
          })
          .value;
  const Result cached = process.db.query("select * from typed").fetch();
  pqxx::connection own(shop.url());
  pqxx::work work(own);
  auto borrowed = process.db.borrow(work, "own");
  const Result lent = borrowed.query("select * from typed").fetch();
  const Result lent_again = borrowed.query("select t.* from typed t").fetch();
  for (std::size_t i = 0; i + 2 < rows.columns(); ++i) {
    const std::string name(rows.column_name(i));
    // The server tells of a domain what it is over.
    const std::string wanted =
        name == "one" ? "integer"
                      : shop.text("select format_type(pg_typeof(" + name + "), null) from typed");
    CAPTURE(name);
    CHECK(rows.column_type(i) == wanted);
    CHECK(cached[0][i].declared_type() == wanted);
    CHECK(lent[0][i].declared_type() == wanted);
    CHECK(lent_again[0][i].declared_type() == wanted);
  }
  CHECK(rows.column_type(rows.columns() - 2) == "mood");
}

TEST_CASE("postgres spelling: the name of a type is asked for once on a connection", "[postgres]") {
  const PgShop shop;
  shop.execute("create type mood as enum ('sad', 'ok')");
  postgres::Connection connection(shop.url(), {});
  CHECK(connection.query("select 'ok'::mood").column_type(0) == "mood");
  // Another name shows only to whoever asks again.
  shop.execute("alter type mood rename to humour");
  CHECK(connection.query("select 'ok'::humour, array['ok'::humour]").column_type(0) == "mood");
  postgres::Connection other(shop.url(), {});
  CHECK(other.query("select 'ok'::humour").column_type(0) == "humour");
}

TEST_CASE("postgres spelling: an array of a domain is read as what it is over", "[postgres]") {
  const PgShop shop;
  shop.execute(
      "create domain price as integer check (value > 0); create domain flag as boolean; "
      "create domain name_of as text; create domain raw as bytea; create domain weight as float8");
  PgProcess process(shop);
  const Result result =
      process.db
          .query(
              "select array[5, null, 7]::price[], array[true, false]::flag[], "
              "array['a', 'b,c']::name_of[], array['\\x00ff']::raw[], array[0.5]::weight[]")
          .fetch();
  const Row row = result[0];
  CHECK(row[0].as<vector<std::optional<int>>>() == vector<std::optional<int>>{5, std::nullopt, 7});
  CHECK(row[0].as<vector<std::optional<std::string>>>()[2] == "7");
  CHECK(row[1].as<vector<bool>>() == vector<bool>{true, false});
  CHECK(row[2].as<vector<std::string>>() == vector<std::string>{"a", "b,c"});
  CHECK(row[3].as<vector<Bytes>>() == vector<Bytes>{{std::string("\0\xff", 2)}});
  CHECK(row[4].as<vector<double>>() == vector<double>{0.5});
  CHECK_THROWS_AS(row[2].as<vector<int>>(), TypeError);
  CHECK_THROWS_AS(row[0].as<vector<int>>(), TypeError);  // one is NULL
}

TEST_CASE("postgres spelling: arrays of boxes go round", "[postgres]") {
  const PgShop shop;
  PgProcess process(shop);
  using postgres::Box;
  const vector<Box> boxes{{"(3,4),(1,2)"}, {"(1,1),(0,0)"}};
  const Result result = process.db
                            .query("select $1::box[], $2::box, $3::text[]::box[]", boxes, boxes[0],
                                   vector<std::string>{boxes[1].text})
                            .fetch();
  CHECK(result[0][0].as<vector<Box>>() == boxes);
  CHECK(result[0][1].as<Box>() == boxes[0]);
  CHECK(result[0][2].as<vector<Box>>() == vector<Box>{boxes[1]});
  const vector<std::optional<Box>> holes{std::nullopt, boxes[0]};
  CHECK(only(process.db.query("select $1::box[]", holes).fetch_as<vector<std::optional<Box>>>()) ==
        holes);
}

TEST_CASE("postgres spelling: rows without columns are rows", "[postgres]") {
  const PgShop shop;
  PgProcess process(shop);
  CHECK(process.db.query("select from product").fetch().size() == 3);
  const Result kept = process.db.query("select from product").fetch();
  CHECK(kept.size() == 3);
  CHECK(kept.outcome().is_hit());
  const auto written = process.db.write(
      [](postgres::Transaction& tx) { return tx.query("select from product where id > 1"); });
  CHECK(written.value.size() == 2);
  pqxx::connection own(shop.url());
  pqxx::work work(own);
  auto borrowed = process.db.borrow(work, "own");
  CHECK(borrowed.query("select from product").fetch().size() == 3);
}
