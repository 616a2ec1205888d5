// What is said to whoever has made a mistake: by SQLSTATE and names alone, in whatever language the
// server speaks.

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <pqxx/nontransaction>
#include <pqxx/transaction>

#include "querymark/postgres/track.hpp"
#include "querymark/support/constraint_violation.hpp"
#include "support/daemon.hpp"
#include "support/errors.hpp"
#include "support/pg_shop.hpp"
#include "support/rows.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

template <class Process>
std::string read(Process& process, const std::string& sql) {
  return message_of([&] { static_cast<void>(process.db.query(sql).fetch()); });
}

template <class Process>
std::string write(Process& process, const std::string& sql) {
  return message_of([&] { process.db.write([&](Transaction& tx) { tx.execute(sql); }); });
}

void create_role(const PgShop& shop, const std::string& name, const std::string& rights) {
  shop.execute("do $$ begin create role " + name +
               " login; exception when duplicate_object then null; end $$; " + rights);
}

// A server that speaks German, where its messages are installed.
class GermanServer {
 public:
  GermanServer() {
    give_away(dir_);
    complete({"/usr/bin/localedef", "-i", "de_DE", "-f", "UTF-8", dir_.file("de_DE.UTF-8")},
             dir_.file("log"));
    ::setenv("LOCPATH", dir_.path().c_str(), 1);
    server_ = std::make_unique<PostgresServer>(std::vector<std::string>{"lc_messages=de_DE.UTF-8"});
    ::unsetenv("LOCPATH");
  }
  GermanServer(const GermanServer&) = delete;
  GermanServer& operator=(const GermanServer&) = delete;
  [[nodiscard]] PostgresServer& server() const { return *server_; }

  static bool possible() {
    if (!std::filesystem::exists("/usr/bin/localedef") ||
        !std::filesystem::exists("/usr/share/i18n/locales/de_DE"))
      return false;
    for (const auto& file : std::filesystem::directory_iterator("/usr/share/locale/de/LC_MESSAGES"))
      if (file.path().filename().string().starts_with("postgres-")) return true;
    return false;
  }

 private:
  TempDir dir_;
  std::unique_ptr<PostgresServer> server_;
};

}  // namespace

TEST_CASE("postgres messages: only what belongs to querymark is looked for in a migration",
          "[messages]") {
  const PgShop shop;
  PgProcess process(shop);
  for (const char* sql : {"select * from nowhere", "select nothing(1)", "select * from no.where"}) {
    CAPTURE(sql);
    CHECK_THAT(read(process, sql), Contains(sql) && !Contains("migrate"));
    CHECK_THAT(write(process, sql), Contains(sql) && !Contains("migrate"));
  }
  CHECK_THAT(read(process, "select * from querymark.nowhere"), Contains("run: querymark migrate"));
  pqxx::connection own(shop.url());
  pqxx::work work(own);
  auto borrowed = process.db.borrow(work, "");
  CHECK_THAT(
      message_of([&] { static_cast<void>(borrowed.query("select * from nowhere").fetch()); }),
      Contains("\"select * from nowhere\" in the caller's transaction") && Contains("42P01") &&
          !Contains("migrate") && !Contains("ERROR"));
}

TEST_CASE(
    "postgres messages: who lacks a right is told which role to grant, and only where it helps",
    "[messages]") {
  const PgShop shop;
  create_role(shop, "stranger", "");
  CHECK_THAT(message_of([&] { PgProcess(shop.server().url(shop.name(), "stranger"), {}); }),
             Contains("querymark_subscriber") && Contains("querymark_writer"));
  create_role(shop, "reader", "grant querymark_subscriber to reader");
  PgProcess process(shop.server().url(shop.name(), "reader"), PgProcess::quick());
  CHECK_THAT(read(process, "select * from product"),
             Contains("42501") && Contains("rights on your own tables") && !Contains("querymark_"));
  const std::string wrote = message_of(
      [&] { process.db.write([](Transaction& tx) { tx.invalidate(collection("product")); }); });
  CHECK_THAT(wrote, Contains("42501") && Contains("querymark_writer"));
  postgres::Log log(shop.server().url(shop.name(), "reader"), "shop");
  CHECK_THAT(message_of([&] { static_cast<void>(log.claims()->claim("edge", "me", 30s)); }),
             Contains("the worker and operators need querymark_worker"));
  CHECK_THAT(message_of([&] {
               static_cast<void>(log.deliveries()->forgive({.consumer = "edge"}, "down"));
             }),
             Contains("the worker and operators need querymark_worker"));
}

TEST_CASE("postgres messages: COPY in a write is refused at once, with its text", "[messages]") {
  const PgShop shop;
  PgProcess process(shop);
  for (const char* sql : {"copy product from stdin", "copy product to stdout"})
    CHECK_THAT(write(process, sql), Contains("COPY speaks a protocol of its own") && Contains(sql));
  CHECK(shop.number("select count(*) from product") == 3);
}

TEST_CASE("postgres messages: a statement that takes too long is named", "[messages]") {
  const PgShop shop;
  postgres::Options options = PgProcess::quick();
  options.statement_timeout = 1s;
  PgProcess process(shop, options);
  CHECK_THAT(read(process, "select pg_sleep(3600)::text"),
             Contains("\"select pg_sleep(3600)::text\"") && Contains("within 1000 ms"));
  CHECK_THAT(write(process, "select pg_sleep(3600)::text as w"),
             Contains("\"select pg_sleep(3600)::text as w\"") && Contains("within 1000 ms"));
}

TEST_CASE("postgres messages: a hint is passed on, a place in the text is not needed",
          "[messages]") {
  const PgShop shop;
  PgProcess process(shop);
  const std::string said = read(process, "select pric from product");
  CHECK_THAT(said, Contains("product.price") && Contains("42703") && !Contains("LINE 1"));
  CHECK(said.find('\n') == std::string::npos);
}

TEST_CASE("postgres messages: what a function raises keeps its own constraint and table",
          "[messages]") {
  const PgShop shop;
  PgProcess process(shop);
  try {
    process.db.write([](Transaction& tx) {
      tx.execute(
          "do $$ begin raise exception 'no room' using errcode = '23514', constraint = 'room', "
          "table = 'shelf', schema = 'store', column = 'width', detail = 'of 7'; end $$");
    });
    FAIL("nothing was thrown");
  } catch (const ConstraintViolation& violation) {
    CHECK(violation.kind() == ConstraintViolation::Kind::check);
    CHECK(violation.constraint() == "room");
    CHECK(violation.schema() == "store");
    CHECK(violation.table() == "shelf");
    CHECK(violation.column() == "width");
    CHECK(violation.detail() == "of 7");
  }
}

TEST_CASE("postgres messages: an exclusion is a violation, too", "[messages]") {
  const PgShop shop;
  shop.execute(
      "create table booking (during int4range, constraint one_at_a_time exclude using gist (during "
      "with &&)); insert into booking values ('[1,5)')");
  PgProcess process(shop);
  try {
    process.db.write([](Transaction& tx) { tx.execute("insert into booking values ('[2,3)')"); });
    FAIL("nothing was thrown");
  } catch (const ConstraintViolation& violation) {
    CHECK(violation.kind() == ConstraintViolation::Kind::exclusion);
    CHECK(violation.constraint() == "one_at_a_time");
    CHECK(violation.native_code() == "23P01");
  }
}

TEST_CASE("postgres messages: a server that speaks German is understood as well", "[messages]") {
  if (!GermanServer::possible()) {
    WARN("not run: localedef, the locale de_DE or PostgreSQL's German messages are missing");
    return;
  }
  const GermanServer german;
  const PgShop shop(german.server());
  PgProcess process(shop);
  CHECK_THAT(read(process, "selct 1"), Contains("Syntaxfehler") && Contains("\"selct 1\"") &&
                                           Contains("42601") && !Contains("FEHLER"));
  CHECK_THROWS_AS(process.db.query("select pric from product").fetch(), ConfigError);
  CHECK_THAT(read(process, "select * from nowhere"), Contains("42P01") && !Contains("migrate"));
  CHECK_THAT(read(process, "select * from querymark.nowhere"), Contains("run: querymark migrate"));
  try {
    process.db.write([](Transaction& tx) {
      tx.execute("insert into product values ($1, 'tea', 1)", std::int64_t{1});
    });
    FAIL("nothing was thrown");
  } catch (const ConstraintViolation& violation) {
    CHECK(violation.kind() == ConstraintViolation::Kind::unique);
    CHECK(violation.constraint() == "product_pkey");
    CHECK_THAT(violation.detail(), Contains("existiert bereits"));
    CHECK_THAT(violation.what(), !Contains("existiert bereits"));
  }
  CHECK_THAT(message_of([&] {
               process.db.write([](Transaction& tx) {
                 CHECK_THROWS_AS(tx.execute("select 1 / 0"), Error);
                 CHECK_THROWS_WITH(tx.execute("select 2"), Contains("25P02"));
               });
             }),
             Contains("nothing is committed") && Contains("\"select 1 / 0\""));
  CHECK_THAT(read(process, "select $1::int"), Contains("has 1 parameter, 0 were given"));
  pqxx::connection own(shop.url());
  {
    pqxx::work work(own);
    auto borrowed = process.db.borrow(work, "");
    const std::string said =
        message_of([&] { static_cast<void>(borrowed.query("select 1 / 0").fetch()); });
    CHECK_THAT(said, Contains("22012") && Contains("\"select 1 / 0\"") && !Contains("FEHLER"));
  }
  const std::string nowhere =
      message_of([&] { PgProcess(german.server().url("no_such_database"), PgProcess::quick()); });
  CHECK_THAT(nowhere, Contains("3D000") && Contains("the database does not exist"));
  create_role(shop, "stranger", "");
  CHECK_THAT(message_of([&] { PgProcess(german.server().url(shop.name(), "stranger"), {}); }),
             Contains("querymark_subscriber"));
  process.set_price(1, 9.0);
  CHECK(only(process.price(1)) == 9.0);
  CHECK(only(process.price(1)) == 9.0);
}

TEST_CASE("postgres messages: of what a function runs in German nothing is concluded",
          "[messages]") {
  if (!GermanServer::possible()) {
    WARN("not run: localedef, the locale de_DE or PostgreSQL's German messages are missing");
    return;
  }
  const GermanServer german;
  const PgShop shop(german.server());
  shop.execute(
      "create table sale (id int, region int, primary key (id, region)) partition by list (region);"
      "create table sale_1 partition of sale for values in (1);"
      "create table sale_2 partition of sale default;"
      "insert into sale values (1, 1);"
      "create function moved() returns void language sql as $$ merge into sale using (values (1)) "
      "n (id) on sale.id = n.id when matched then update set region = 3 - region $$");
  postgres::track(shop.url(), {.tables = {"sale"}, .routes = {{"id"}}});
  shop.execute("delete from querymark.log");
  shop.execute("select moved()");
  CHECK(shop.number("select count(*) from querymark.log where kind = 'relation'") == 1);
}
