// Values of each kind, as hostile as can be made, through parameters, the server and cells.

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>

#include "connection.hpp"
#include "property/random.hpp"
#include "querymark/postgres/types.hpp"
#include "statement_text.hpp"
#include "support/pg_shop.hpp"

using namespace querymark;
using namespace querymark::test;
using std::optional;
using std::vector;

namespace {

std::uint64_t bits(Choices& choices) {
  return (std::uint64_t{choices.below(1U << 31U)} << 33U) ^
         (std::uint64_t{choices.below(1U << 31U)} << 11U) ^ choices.below(1U << 12U);
}

double number(Choices& choices) {
  switch (choices.below(4)) {
    case 0:
      return std::bit_cast<double>(bits(choices));  // NaNs of both signs among them
    case 1:
      return static_cast<double>(static_cast<std::int64_t>(bits(choices)) >> choices.below(60));
    case 2:
      return std::ldexp(1.0, static_cast<int>(choices.below(2098)) - 1074);
    default:
      return choices.one_in(2) ? -0.0 : -std::numeric_limits<double>::quiet_NaN();
  }
}

// Characters that mean something to arrays, strings or people, and any others.
std::string text(Choices& choices) {
  static const std::string kPieces[] = {
      "{",  "}",  ",",       "\"", "\\", "'",    ";",  " ",           "NULL",
      "\n", "\r", "\x01",    "\t", "$1", "--",   "/*", "é",           "日本",
      "😀", "",   "[1:1]={", "=",  "%",  "\x7f", "\v", "\xEF\xBF\xBF"};
  std::string out;
  for (std::size_t i = choices.below(8); i > 0; --i)
    out += kPieces[choices.below(std::size(kPieces))];
  return out;
}

template <class Make>
auto several(Choices& choices, Make&& make) {
  vector<decltype(make())> values;
  for (std::size_t i = choices.below(6); i > 0; --i) values.push_back(make());
  return values;
}

bool same(double a, double b) {
  return std::isnan(a) ? std::isnan(b) : a == b && std::signbit(a) == std::signbit(b);
}

}  // namespace

TEST_CASE("server values: what goes in comes out, alone and in arrays, bound and quoted",
          "[property]") {
  const bool standard = GENERATE(true, false);
  const PgShop shop;
  postgres::Connection connection(shop.url(), {});
  connection.run(std::string("set standard_conforming_strings = ") + (standard ? "on" : "off"));
  const std::string sql =
      "select $1::float8, $2::float8[], $3::text, $4::text[], $5::bytea, $6::bytea[], $7::bigint, "
      "$8::bigint[], $9::boolean[], $1::float8::text, $1::float4, $1::float4::text";
  const std::uint64_t first = Choices::first_seed();
  for (std::uint64_t seed = first; seed < first + 300; ++seed) {
    Choices choices(seed);
    CAPTURE(standard, seed);
    double one = number(choices);
    if (std::isfinite(one) && (std::fabs(one) > 3e38 || (one != 0 && std::fabs(one) < 1e-44)))
      one = 0.5;  // no real is that far away, or that near
    const auto numbers = several(choices, [&] { return number(choices); });
    const std::string word = text(choices);
    const auto words = several(choices, [&] {
      return choices.one_in(5) ? optional<std::string>() : optional(text(choices));
    });
    const Bytes raw{choices.bytes(40)};
    const auto raws = several(choices, [&] { return Bytes{choices.bytes(9)}; });
    const auto whole = static_cast<std::int64_t>(bits(choices));
    const auto wholes = several(choices, [&] { return static_cast<std::int64_t>(bits(choices)); });
    const auto flags = several(choices, [&] { return choices.one_in(2); });
    const OwnedParameter owned[] = {as_parameter(numbers), as_parameter(words), as_parameter(raws),
                                    as_parameter(wholes), as_parameter(flags)};
    const vector<ParameterView> values{as_parameter(one), owned[0], as_parameter(word),  owned[1],
                                       as_parameter(raw), owned[2], as_parameter(whole), owned[3],
                                       owned[4]};
    const bool quoted = choices.one_in(2);
    const ResultSet rows =
        quoted ? connection.run(postgres::with_literals(
                     sql, values, [&](ParameterView value) { return connection.literal(value); },
                     connection.backslash()))
               : connection.query(sql, values);
    const Row row = rows[0];
    CHECK(same(row[0].as<double>(), one));
    const auto back = row[1].as<vector<double>>();
    REQUIRE(back.size() == numbers.size());
    for (std::size_t i = 0; i < back.size(); ++i) CHECK(same(back[i], numbers[i]));
    CHECK(row[2].as<std::string>() == word);
    CHECK(row[3].as<vector<optional<std::string>>>() == words);
    CHECK(row[4].as<Bytes>() == raw);
    CHECK(row[5].as<vector<Bytes>>() == raws);
    CHECK(row[6].as<std::int64_t>() == whole);
    CHECK(row[7].as<vector<std::int64_t>>() == wholes);
    CHECK(row[8].as<vector<bool>>() == flags);
    CHECK(postgres::cell_text(row[0]) == row[9].view());
    CHECK(postgres::cell_text(row[10]) == row[11].view());
  }
}
