// The one text with values in it: what travels together with COMMIT must come back from the server
// as it was given, whatever it holds and whatever the session is set to.

#include <catch2/catch.hpp>
#include <pqxx/nontransaction>
#include <pqxx/result>
#include <pqxx/transaction>
#include <set>

#include "connection.hpp"
#include "property/random.hpp"
#include "querymark/support/bytes.hpp"
#include "statement_text.hpp"
#include "support/pg_shop.hpp"

using namespace querymark;
using namespace querymark::test;

namespace {

// Text that a quoting mistake would change, or let out of its quotes.
std::string tricky(Choices& choices, std::size_t pieces) {
  static const std::string kPieces[] = {
      "'",  "''", "\\",   "\\'", "\"", "$1",   "$2", "$$",       "$t$",  "--",
      "/*", "*/", "E'",   ";",   "\n", "\r",   "\t", "; commit", "%",    "{}",
      ",",  "a",  "NULL", " ",   "é",  "日本", "😀", "\x01",     "\x7f", "\xC2\xA0"};
  std::string text;
  for (std::size_t i = choices.below(pieces) + 1; i > 0; --i)
    text += kPieces[choices.below(std::size(kPieces))];
  return text;
}

// A select list with values in it, between whatever may stand around them, and what it returns.
struct Statement {
  std::string sql = "select ";
  std::vector<std::string> values;
  std::vector<std::string> expected;

  explicit Statement(Choices& choices) {
    for (std::size_t i = choices.below(12) + 1; i > 0; --i) values.push_back(tricky(choices, 12));
    for (std::size_t i = choices.below(12) + 1; i > 0; --i) {
      if (!expected.empty()) sql += ", ";
      add_item(choices);
    }
  }

 private:
  void add_item(Choices& choices) {
    static const std::pair<std::string, std::string> kAround[] = {
        {"'it''s $1 \"$2'", "it's $1 \"$2"}, {"E'a\\'b $1 \\\\'", "a'b $1 \\"},
        {"$$ has $1 ' $$", " has $1 ' "},    {"$t1$ $$ $2 ' $t1$", " $$ $2 ' "},
        {"/* $1 /* $2 ' */ \" */ 'x'", "x"}, {"-- $1 ' \"\n'y'", "y"},
        {"'z' as \"quoted $1 '\"", "z"},     {"'w' as name$1", "w"},
        {"(case when 1<2 then'k'end)", "k"},
    };
    if (choices.one_in(3)) {
      const auto& [text, result] = kAround[choices.below(std::size(kAround))];
      sql += text;
      expected.push_back(result);
      return;
    }
    const std::size_t n = choices.below(values.size());
    const std::size_t m = choices.below(values.size());
    const std::string first = '$' + std::to_string(n + 1);
    if (choices.one_in(2)) {
      sql += first + "::text";
      expected.push_back(values[n]);
    } else {
      sql += '(' + first + "::text||$" + std::to_string(m + 1) + ')';
      expected.push_back(values[n] + values[m]);
    }
  }
};

std::string run_with_literals(postgres::Connection& connection, const std::string& sql,
                              std::span<const ParameterView> values) {
  return postgres::with_literals(
      sql, values, [&](ParameterView value) { return connection.literal(value); },
      connection.backslash());
}

}  // namespace

TEST_CASE("literals: every value comes back as it was, wherever it stands", "[property]") {
  const bool standard = GENERATE(true, false);
  CAPTURE(standard);
  const PgShop shop;
  postgres::Connection connection(shop.url(), {});
  connection.run(std::string("set standard_conforming_strings = ") + (standard ? "on" : "off"));
  const std::uint64_t first = Choices::first_seed();
  for (std::uint64_t seed = first; seed < first + 500; ++seed) {
    Choices choices(seed);
    const Statement statement(choices);
    CAPTURE(seed, statement.sql);
    std::vector<ParameterView> values;
    for (const std::string& value : statement.values) values.push_back(ParameterView::text(value));
    const std::string text = run_with_literals(connection, statement.sql, values);
    CAPTURE(text);
    const ResultSet rows = connection.run(text);
    REQUIRE(rows.size() == 1);
    std::vector<std::string> found;
    for (std::size_t i = 0; i < statement.expected.size(); ++i)
      found.push_back(rows.row(0)[i].as<std::string>());
    REQUIRE(found == statement.expected);
  }
}

TEST_CASE("literals: bytes that are no text are refused, never changed", "[property]") {
  const PgShop shop;
  postgres::Connection connection(shop.url(), {});
  const std::uint64_t first = Choices::first_seed();
  int refused = 0;
  for (std::uint64_t seed = first; seed < first + 500; ++seed) {
    Choices choices(seed);
    const std::string bytes = choices.bytes(24);
    CAPTURE(seed);
    const ParameterView values[] = {ParameterView::text(bytes), ParameterView::bytes(bytes)};
    try {
      const ResultSet rows =
          connection.run(run_with_literals(connection, "select $1::text", {values, 1}));
      REQUIRE(rows.row(0)[0].as<std::string>() == bytes);
    } catch (const Error&) {
      REQUIRE_FALSE(is_plain_utf8(bytes));
      ++refused;
    }
    const ResultSet rows =
        connection.run(run_with_literals(connection, "select $2::bytea, $1", {{{}, values[1]}}));
    REQUIRE(rows.row(0)[0].as<Bytes>() == Bytes{bytes});
    REQUIRE(rows.row(0)[1].is_null());
  }
  CHECK(refused > 100);
}

TEST_CASE("literals: a parameter without a value is an error, not a guess", "[property]") {
  const std::string value = "x";
  const ParameterView values[] = {ParameterView::text(value)};
  const auto quote = [](ParameterView) { return std::string("'x'"); };
  for (const char* sql : {"select $2", "select $0", "select $99999999999999999999"})
    CHECK_THROWS_AS(postgres::with_literals(sql, values, quote), ConfigError);
}

TEST_CASE(
    "literals: intents and reasons reach the log as they were, whatever the session is set to",
    "[property]") {
  const std::string setting =
      GENERATE("standard_conforming_strings = off", "client_encoding = latin1",
               "client_encoding = sjis", "backslash_quote = off", "");
  CAPTURE(setting);
  const PgShop shop;
  if (!setting.empty()) shop.execute("alter database " + shop.name() + " set " + setting);
  PgProcess process(shop);
  const std::uint64_t first = Choices::first_seed();
  for (std::uint64_t seed = first; seed < first + 40; ++seed) {
    Choices choices(seed);
    CAPTURE(seed);
    std::set<std::string> names;
    for (std::size_t i = choices.below(4) + 1; i > 0; --i) names.insert(tricky(choices, 8));
    const std::string reason = tricky(choices, 12);
    const bool locally = choices.one_in(2) && setting.find("encoding") == std::string::npos;
    const Receipt receipt = process.db
                                .write([&](postgres::Transaction& tx) {
                                  if (locally && !setting.empty())
                                    tx.execute("set local " + setting);
                                  for (const std::string& name : names) tx.invalidate(tag(name));
                                  tx.reason(reason);
                                })
                                .receipt;
    pqxx::connection reader(shop.url() + "?client_encoding=UTF8");
    std::set<std::string> found;
    for (const auto& row : pqxx::nontransaction(reader).exec(
             "select target, reason from querymark.log where write_id = " +
             std::to_string(static_cast<std::int64_t>(receipt.write.value)))) {
      found.insert(row[0].c_str());
      REQUIRE(row[1].c_str() == reason);
    }
    std::set<std::string> targets;
    for (const std::string& name : names) targets.insert(tag(name).text());
    REQUIRE(found == targets);
  }
}

TEST_CASE("literals: a transaction that changes its encoding is refused with its intents",
          "[property]") {
  const PgShop shop;
  PgProcess process(shop);
  CHECK_THROWS_WITH(process.db.write([](postgres::Transaction& tx) {
    tx.execute("set local client_encoding = latin1");
    tx.execute("update product set price = 50 where id = 1");
    tx.invalidate(tag("ä"));
  }),
                    Catch::Contains("client_encoding is LATIN1"));
  CHECK(shop.number("select count(*) from product where price = 50") == 0);
  pqxx::connection own(shop.url() + "?client_encoding=latin1");
  pqxx::work work(own);
  CHECK_THROWS_WITH(process.db.stage(work, IntentBatch().add(tag("ä"))),
                    Catch::Contains("client_encoding is LATIN1"));
  process.set_price(1, 4.0);
  CHECK(shop.number("select count(*) from querymark.log") == 1);
}
