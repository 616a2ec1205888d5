// Texts of pieces that open, close and hide each other: what the server makes of them, the checks
// must have seen.

#include <catch2/catch.hpp>

#include "connection.hpp"
#include "property/random.hpp"
#include "statement_text.hpp"
#include "support/errors.hpp"
#include "support/pg_shop.hpp"
#include "support/rounds.hpp"

using namespace querymark;
using namespace querymark::test;
using postgres::Connection;

namespace {

const std::string kHiding[] = {
    " ",    "\n",     "\r",  "\t",       "--", "--x\n", "/*",  "*/",  "'",    "''",    "\\",
    "E'",   "e'",     "N'",  "U&'",      "B'", "$$",    "$a$", "$1$", "a$$",  "\"",    "\"\"",
    "U&\"", "\\0061", "é",   "\xC2\xA0", "+",  "/",     "-",   "*",   "||",   "'a'",   "1",
    "1e",   "'\n'",   "\\'", "'--\n'",   "(",  ")",     "\v",  "\f",  "--\r", "$a$$a$"};

std::string pieces(Choices& choices, std::size_t most) {
  std::string text;
  for (std::size_t i = choices.below(most); i > 0; --i)
    text += kHiding[choices.below(std::size(kHiding))];
  return text;
}

// A comment, a constant or a name that is complete, most of the time.
std::string filler(Choices& choices) {
  switch (choices.below(6)) {
    case 0:
      return "/*" + pieces(choices, 4) + "*/";
    case 1:
      return "--" + pieces(choices, 3) + (choices.one_in(2) ? "\n" : "\r");
    case 2:
      return ", '" + pieces(choices, 3) + '\'';
    case 3:
      return ", E'" + pieces(choices, 3) + '\'';
    case 4:
      return ", $a$" + pieces(choices, 4) + "$a$";
    default:
      return pieces(choices, 3);
  }
}

bool refused(const std::string& text, Connection& connection) {
  try {
    postgres::require_reading(text, connection.backslash());
    return false;
  } catch (const ConfigError&) {
    return true;
  }
}

}  // namespace

TEST_CASE("statement texts: no call with an effect hides, and none is seen where none is",
          "[property]") {
  const bool standard = GENERATE(true, false);
  CAPTURE(standard);
  const PgShop shop;
  shop.execute("create sequence s");
  Connection connection(shop.url(), {});
  connection.run(std::string("set standard_conforming_strings = ") + (standard ? "on" : "off") +
                 "; set escape_string_warning = off; set backslash_quote = on");
  const std::string sequence = '(' + shop.text("select 's'::regclass::oid::text") + ')';
  // Without quotes, so that it can be hidden in any.
  const std::string calls[] = {", nextval" + sequence, ", pg_catalog.NEXTVAL/**/\n" + sequence,
                               ", \"nextval\"" + sequence, ", U&\"next\\0076al\"" + sequence};
  const std::pair<std::string, std::string> hiding[] = {
      {"--", "\n"},   {"--", "\r"},      {"/*", "*/"},          {"/*/*", "*/*/"},
      {", '", "'"},   {", E'", "'"},     {", E'\\'", "'"},      {", '\\'", "'"},
      {", '''", "'"}, {", $a$", "$a$"},  {", $$'", "$$"},       {" as \"", "\""},
      {", U&'", "'"}, {", 'a'\n'", "'"}, {", E'a'\n'\\'", "'"}, {", 'a' '", "'"}};
  const std::uint64_t first = Choices::first_seed();
  int ran = 0;
  int moved = 0;
  for (std::uint64_t seed = first; seed < first + rounds(4000); ++seed) {
    Choices choices(seed);
    std::string text = "select 1";
    for (std::size_t i = choices.below(5); i > 0; --i) text += filler(choices);
    const auto& [open, close] = hiding[choices.below(std::size(hiding))];
    const bool hidden = choices.one_in(2);
    text += (hidden ? open : "") + calls[choices.below(std::size(calls))] + (hidden ? close : "");
    for (std::size_t i = choices.below(4); i > 0; --i) text += filler(choices);
    CAPTURE(seed, text);
    const auto drawn = [&] {
      const ResultSet rows =
          connection.query("select case when is_called then last_value else 0 end from s");
      return rows[0][0].as<int>();
    };
    const int before = drawn();
    const bool seen = refused(text, connection);
    try {
      static_cast<void>(connection.query(text));
    } catch (const Error&) {  // most are no SQL at all
      continue;
    }
    ++ran;
    const bool had_effect = drawn() != before;
    moved += had_effect ? 1 : 0;
    REQUIRE(seen == had_effect);
  }
  CHECK(moved > rounds(100));
  CHECK(ran - moved > rounds(100));
}

TEST_CASE("statement texts: none that ends the transaction passes", "[property]") {
  const PgShop shop;
  Connection connection(shop.url(), {});
  const std::string ends[] = {"commit",        "ROLLBACK",           "end",
                              "abort",         "rollback and chain", "commit work",
                              "rollback to a", "select 1",           "release a"};
  const std::uint64_t first = Choices::first_seed();
  int ended = 0;
  int went_on = 0;
  for (std::uint64_t seed = first; seed < first + rounds(2000); ++seed) {
    Choices choices(seed);
    const auto around = [&] {
      static const std::string kAround[] = {";",      " ",        "\n", "--'\r", "/*'*/",
                                            "--\"\n", "/*/**/*/", "\f", "$$"};
      std::string text;
      for (std::size_t i = choices.below(4); i > 0; --i)
        text += kAround[choices.below(std::size(kAround))];
      return text;
    };
    const std::string text = around() + ends[choices.below(std::size(ends))] + around();
    CAPTURE(seed, text);
    connection.run("begin; create temporary table mark (x int) on commit drop; savepoint a");
    const bool seen = message_of([&] {
                        postgres::require_inside_transaction(text, connection.backslash());
                      }) != "nothing was thrown";
    bool stands = true;
    try {
      static_cast<void>(connection.query(text));
      const ResultSet mark = connection.query("select to_regclass('pg_temp.mark')::text");
      stands = connection.standing() == Connection::Standing::open && !mark[0][0].is_null();
    } catch (const Error&) {
      stands = connection.standing() != Connection::Standing::none;
      if (stands) {
        connection.rollback();
        continue;
      }
    }
    connection.rollback();
    stands ? ++went_on : ++ended;
    REQUIRE(seen != stands);
  }
  CHECK(ended > rounds(100));
  CHECK(went_on > rounds(100));
}
