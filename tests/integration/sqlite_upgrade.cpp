// Databases and tiers of schema 1, and the programs of its release that still run on them.
// tests/data/schema_1 holds their statements.

#include <SQLiteCpp/Backup.h>
#include <SQLiteCpp/SQLiteCpp.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "connection.hpp"
#include "sqlite_sql.hpp"
#include "support/rows.hpp"
#include "support/shop.hpp"
#include "support/sql_file.hpp"
#include "support/temp_dir.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

constexpr sqlite::SchemaQueries kSchema{sqlite::sql::schema_present, sqlite::sql::schema_version};

std::string text_of(const std::string& name) {
  std::ifstream file(std::string(QUERYMARK_TEST_DATA) + "/schema_1/" + name);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// A program of the release before: its statements, prepared before the upgrade.
class OldProgram {
 public:
  explicit OldProgram(const std::string& path)
      : sql_(text_of("sqlite_queries.sql")),
        connection_(path, sqlite::Connection::Use::write, {.write_ahead_log = true}) {}

  ResultSet query(const std::string& name, std::initializer_list<ParameterView> values = {}) {
    return connection_.query(sql_.get(name), {values.begin(), values.size()});
  }
  std::int64_t execute(const std::string& name, std::initializer_list<ParameterView> values = {}) {
    return connection_.execute(sql_.get(name), {values.begin(), values.size()});
  }
  std::string epoch() {
    const ResultSet meta = query("meta");
    return std::string(meta.row(0)[1].view());
  }
  void write(const std::string& target, std::int64_t write_id) {
    execute("append", {as_parameter("shop"), as_parameter("entity"), as_parameter(target),
                       as_parameter("old"), as_parameter(write_id)});
  }
  std::int64_t rows_after(std::int64_t id) {
    return static_cast<std::int64_t>(query("log_page", {as_parameter(id), as_parameter(1000),
                                                        as_parameter("shop"), as_parameter(1000)})
                                         .size());
  }

 private:
  SqlFile sql_;
  sqlite::Connection connection_;
};

Rows<double> price_of_tea(sqlite::Database& database) {
  return database.query("select price from product where id = 1")
      .tag(entity("product", 1))
      .fetch_as<double>();
}

void make_schema_1(const std::string& path) {
  const std::span<const Migration> all(sqlite::sql::kMigrations);
  sqlite::Connection connection(path, sqlite::Connection::Use::write, {.create = true});
  run_migrations(all.first(1), sqlite::migration_port(connection, kSchema, path), false);
  connection.run(
      "create table product (id integer primary key, name text, price real, note text);"
      "insert into product values (1, 'tea', 2.5, null), (2, 'cup', 7, '');"
      "create trigger watch after update on product begin "
      "insert into querymark_log (namespace, kind, target, write_id) "
      "values ('shop', 'entity', 'product:' || new.id, 0); end;"
      "create table audit (target text);"
      "create trigger audit after insert on querymark_log begin "
      "insert into audit values (new.target); end");
}

std::int64_t number(const std::string& path, const std::string& sql) {
  return SQLite::Database(path, SQLite::OPEN_READWRITE, 5000).execAndGet(sql).getInt64();
}

}  // namespace

TEST_CASE("upgrade: a database of schema 1 keeps its log, its ids and its triggers", "[upgrade]") {
  TempDir dir;
  const std::string path = dir.file("a.db");
  make_schema_1(path);
  {
    SQLite::Database old(path, SQLite::OPEN_READWRITE);
    old.exec(
        "update product set price = 3 where id = 1;"
        "insert into querymark_log (namespace, kind, target, reason, write_id) values "
        "('shop', 'tag', printf('%.*c', 3000, 'x'), printf('%.*c', 3000, 'x'), 5);"
        "update product set price = 4 where id = 1; update product set price = 5 where id = 1;"
        "delete from querymark_log where id = 4");
  }
  CHECK(sqlite::migrate(path).applied ==
        std::vector<std::string>{"0002_identity.sql", "0003_deliveries.sql",
                                 "0004_delivery_pages.sql", "0005_log_kinds.sql",
                                 "0006_tracked.sql", "0007_log_ids.sql"});
  CHECK(number(path, "select group_concat(id) = '1,2,3' from querymark_log"));
  CHECK(number(path, "select seq from sqlite_sequence where name = 'querymark_log'") == 4);
  CHECK(number(path, "select count(*) from querymark_log where coalesce(witness, 0) = 0") == 0);
  CHECK(number(path, "select kind = 'flush' from querymark_log where id = 2") == 1);
  SQLite::Database after(path, SQLite::OPEN_READWRITE);
  CHECK(after.execAndGet("pragma integrity_check").getString() == "ok");
  after.exec("update product set price = 6 where id = 1");
  CHECK(number(path, "select max(id) from querymark_log") == 5);
  CHECK(number(path, "select count(*) from audit") == 5);
  CHECK(after.execAndGet("pragma writable_schema").getInt64() == 0);
}

TEST_CASE("upgrade: a new log counts its ids by its rows, and its newest row stays", "[upgrade]") {
  TempDir dir;
  const std::string path = dir.file("a.db");
  CHECK(sqlite::migrate(path).unfinished.empty());
  CHECK_FALSE(sqlite::finish_migration(path));
  SQLite::Database database(path, SQLite::OPEN_READWRITE);
  CHECK(number(path,
               "select sql like '%autoincrement%' from sqlite_schema where name = "
               "'querymark_log'") == 0);
  for (int i = 0; i < 3; ++i)
    database.exec("insert into querymark_log (namespace, kind, target) values ('s', 'tag', 'x')");
  database.exec("delete from querymark_log");
  CHECK(number(path, "select group_concat(id) = '3' from querymark_log"));
  database.exec("delete from querymark_log where id = 3");
  database.exec("insert into querymark_log (namespace, kind, target) values ('s', 'tag', 'x')");
  CHECK(number(path, "select group_concat(id) = '3,4' from querymark_log"));
  for (const char* id : {"9223372036854775807", "4611686018427387904", "0", "-1"})
    CHECK_THROWS(database.exec("insert into querymark_log (id, namespace, kind, target) values (" +
                               std::string(id) + ", 's', 'tag', 'x')"));
  // A program of a release that looks elsewhere for the highest id must not take what it finds for one.
  OldProgram old(path);
  const ResultSet state = old.query("log_state", {as_parameter(0)});
  CHECK_THROWS_AS(state.row(0)[2].as<std::uint64_t>(), TypeError);
}

TEST_CASE("upgrade: a log that was used counts its ids as before, until it is finished",
          "[upgrade]") {
  TempDir dir;
  const std::string path = dir.file("a.db");
  make_schema_1(path);
  OldProgram old(path);
  old.write("product:1", 11);
  const bool emptied = GENERATE(false, true);
  if (emptied) {
    old.write("product:1", 12);
    SQLite::Database(path, SQLite::OPEN_READWRITE).exec("delete from querymark_log where id = 2");
  }
  const std::int64_t highest = emptied ? 2 : 1;
  CHECK_FALSE(sqlite::migrate(path).unfinished.empty());
  CHECK_FALSE(sqlite::migrate(path).unfinished.empty());
  Cache cache({.memory_bytes = 64U << 20U});
  sqlite::Database now(path, cache, Process::quick());
  const auto price = [&] { return price_of_tea(now); };
  CHECK(only(price()) == 2.5);
  CHECK(price().outcome().is_hit());
  const auto last_as_old = [&] {
    const ResultSet state = old.query("log_state", {as_parameter(0)});
    return state.row(0)[2].as<std::int64_t>();
  };
  CHECK(last_as_old() == highest);
  old.write("product:2", 13);
  CHECK(last_as_old() == highest + 1);
  now.catch_up();
  const Epoch epoch = now.source().marks().cursor().epoch;
  CHECK(only(price()) == 2.5);
  const auto restarts = now.stats().restarts;

  CHECK(sqlite::finish_migration(path, true));  // dry: nothing happens
  CHECK(last_as_old() == highest + 1);
  CHECK(sqlite::finish_migration(path));
  CHECK_FALSE(sqlite::finish_migration(path));
  CHECK(sqlite::migrate(path).unfinished.empty());
  CHECK_THROWS_AS(last_as_old(), TypeError);
  // Programs of this release go on, whether they stood or start.
  CHECK(price().outcome().is_hit());
  const Receipt receipt = now.write([](sqlite::Transaction& tx) {
                               tx.execute("update product set price = 4 where id = 1");
                               tx.invalidate(entity("product", 1));
                             })
                              .receipt;
  CHECK(receipt.position.value > static_cast<std::uint64_t>(highest) + 1);
  CHECK(only(price()) == 4.0);
  old.write("product:1", 14);  // a program that only writes
  now.catch_up();
  CHECK(now.stats().restarts == restarts);
  CHECK(now.source().marks().cursor().epoch == epoch);
  SQLite::Database after(path, SQLite::OPEN_READWRITE);
  CHECK(after.execAndGet("pragma integrity_check").getString() == "ok");
  CHECK(number(path,
               "select typeof(seq) = 'text' from sqlite_sequence where name = "
               "'querymark_log'") == 1);
}

TEST_CASE("upgrade: no id is given out twice when a log without its newest row is finished",
          "[upgrade]") {
  TempDir dir;
  const std::string path = dir.file("a.db");
  make_schema_1(path);
  {
    OldProgram old(path);
    old.write("product:1", 11);
    old.write("product:1", 12);
    SQLite::Database(path, SQLite::OPEN_READWRITE).exec("delete from querymark_log");
  }
  CHECK_FALSE(sqlite::migrate(path).unfinished.empty());
  CHECK(sqlite::finish_migration(path));
  SQLite::Database(path, SQLite::OPEN_READWRITE)
      .exec("insert into querymark_log (namespace, kind, target) values ('s', 'tag', 'x')");
  CHECK(number(path, "select max(id) from querymark_log") == 3);
}

TEST_CASE("upgrade: what a row of the log may hold is bounded by the schema", "[upgrade]") {
  const Shop shop;
  const auto insert = [&](const std::string& namespace_name, const std::string& kind,
                          const std::string& target, const std::string& reason) {
    shop.execute("insert into querymark_log (namespace, kind, target, reason) values ('" +
                 namespace_name + "', '" + kind + "', '" + target + "', '" + reason + "')");
  };
  const auto text = [](std::size_t size) { return std::string(size, 'x'); };
  CHECK_NOTHROW(insert(text(200), "tag", text(1024), text(500)));
  CHECK_THROWS(insert(text(201), "tag", "x", ""));
  CHECK_THROWS(insert("shop", "tag", text(1025), ""));
  CHECK_THROWS(insert("shop", "flush", text(1025), ""));
  CHECK_THROWS(insert("shop", "tag", "x", text(501)));
  CHECK_THROWS(insert("shop", "tag", "", ""));
  CHECK_THROWS(insert("shop", "tags", "x", ""));
  for (const char* kind : {"key", "tag", "entity", "collection", "flush"})
    CHECK_NOTHROW(insert("shop", kind, "x", ""));
  std::string umlauts;
  for (int i = 0; i < 513; ++i) umlauts += "ä";  // 513 characters, 1026 bytes
  CHECK_THROWS(insert("shop", "tag", umlauts, ""));
}

TEST_CASE("upgrade: the kinds of the log stay what they were, beside what others have added to it",
          "[upgrade]") {
  TempDir dir;
  const std::string path = dir.file("a.db");
  make_schema_1(path);
  SQLite::Database standing(path, SQLite::OPEN_READWRITE, 5000);
  standing.exec(
      "alter table querymark_log add column who text check (who in ('me', 'you')) default 'me'");
  SQLite::Statement insert(standing,
                           "insert into querymark_log (namespace, kind, target, write_id) values "
                           "('shop', ?, 'x', 1)");
  const auto insert_kind = [&](const char* kind) {
    insert.bind(1, kind);
    insert.exec();
  };
  const auto check_kinds = [&](SQLite::Database& database) {
    for (const char* kind : {"key", "tag", "entity", "collection", "flush"})
      CHECK_NOTHROW(database.exec(
          "insert into querymark_log (namespace, kind, target, write_id) values ('shop', '" +
          std::string(kind) + "', 'x', 1)"));
    for (const char* kind : {"tags", "", "Key"})
      CHECK_THROWS(database.exec(
          "insert into querymark_log (namespace, kind, target, write_id) values ('shop', '" +
          std::string(kind) + "', 'x', 1)"));
    CHECK_THROWS(database.exec(
        "insert into querymark_log (namespace, kind, target, write_id, who) values ('shop', "
        "'tag', 'x', 1, 'they')"));
  };
  check_kinds(standing);
  static_cast<void>(sqlite::migrate(path));
  CHECK_NOTHROW(insert_kind("tag"));
  insert.reset();
  CHECK_THROWS(insert_kind("tags"));
  check_kinds(standing);
  SQLite::Database fresh(path, SQLite::OPEN_READWRITE, 5000);
  check_kinds(fresh);
  CHECK(fresh.execAndGet("pragma integrity_check").getString() == "ok");
  // A list of so many makes SQLite build a table.
  CHECK(fresh
            .execAndGet("select instr(sql, 'kind in') from sqlite_schema where name = "
                        "'querymark_log'")
            .getInt() == 0);
}

TEST_CASE("upgrade: a target that is longer than any, past the checks, is a flush", "[upgrade]") {
  const Shop shop;
  Process process(shop);
  CHECK(only(process.price(1)) == 2.5);
  shop.execute(
      "pragma ignore_check_constraints = on; update product set price = 9 where id = 1;"
      "insert into querymark_log (namespace, kind, target) "
      "values ('shop', 'tag', printf('%.*c', 5000000, 'x'))");
  process.db.catch_up();
  CHECK(process.db.stats().malformed_rows == 1);
  CHECK(only(process.price(1)) == 9.0);
}

TEST_CASE("upgrade: a table that somebody has added columns to keeps them", "[upgrade]") {
  TempDir dir;
  const std::string path = dir.file("a.db");
  make_schema_1(path);
  {
    SQLite::Database old(path, SQLite::OPEN_READWRITE);
    old.exec("alter table querymark_log add column who text default 'me'");
  }
  sqlite::migrate(path);
  SQLite::Database after(path, SQLite::OPEN_READWRITE);
  after.exec("update product set price = 6 where id = 1");
  CHECK(after.execAndGet("select who from querymark_log").getString() == "me");
  CHECK(after.execAndGet("pragma integrity_check").getString() == "ok");
}

TEST_CASE("upgrade: a program of schema 1 that runs on writes, reads and drains the upgraded log",
          "[upgrade]") {
  TempDir dir;
  const std::string path = dir.file("a.db");
  make_schema_1(path);
  OldProgram old(path);
  old.write("product:1", 11);
  old.execute("adopt_identity", {as_parameter(sqlite::identity_of(path)->str()), ParameterView()});
  const std::string epoch = old.epoch();
  old.execute("consumer_register", {as_parameter("shop"), as_parameter("tier")});
  sqlite::migrate(path);

  Cache cache({.memory_bytes = 64U << 20U});
  sqlite::Database now(path, cache, Process::quick());
  const auto price = [&] { return price_of_tea(now); };
  CHECK(old.epoch() == epoch);  // it goes on in its history
  CHECK(now.source().marks().cursor().epoch.hex() == epoch);
  CHECK(only(price()) == 2.5);
  SQLite::Database(path, SQLite::OPEN_READWRITE).exec("update product set price = 3 where id = 1");
  old.write("product:1", 12);
  now.catch_up();
  CHECK(only(price()) == 3.0);
  const Receipt receipt =
      now.write([](sqlite::Transaction& tx) { tx.invalidate(entity("product", 2)); }).receipt;
  CHECK(old.rows_after(1) == 3);
  const auto state = old.query("log_state", {as_parameter(receipt.position.value)});
  CHECK(state.row(0)[4].as<std::int64_t>() == static_cast<std::int64_t>(receipt.write.value));
  const auto confirmed =
      old.query("confirm_write", {as_parameter(receipt.position.value),
                                  as_parameter(static_cast<std::int64_t>(receipt.write.value))});
  CHECK(confirmed.row(0)[0].as<int>() == 1);

  // Workers of both releases take turns at one consumer.
  sqlite::Log log(path, "shop");
  const auto drain_old = [&] {
    const auto end = old.query("log_state", {as_parameter(0)});
    old.execute("consumer_claim", {as_parameter("shop"), as_parameter("tier"), as_parameter("old"),
                                   as_parameter(7), as_parameter(0)});
    return old.execute("consumer_advance",
                       {as_parameter("shop"), as_parameter("tier"), as_parameter(7),
                        as_parameter(epoch), as_parameter(end.row(0)[2].as<std::int64_t>()),
                        as_parameter(end.row(0)[3].as<std::optional<std::int64_t>>().value_or(0))});
  };
  CHECK(drain_old() == 1);
  old.write("product:2", 0);
  const ClaimResult claimed = log.claims()->claim("tier", "new", 30s);
  REQUIRE(claimed.status == ClaimStatus::claimed);
  CHECK_FALSE(claimed.claim.flush_first);
  CHECK(log.claims()->finish(claimed.claim));
  const auto consumer = old.query("consumer", {as_parameter("shop"), as_parameter("tier")});
  CHECK(consumer.row(0)[1].as<std::uint64_t>() == claimed.claim.upto.snapshot.limit().value - 1);
  CHECK(consumer.row(0)[2].as<std::int64_t>() == 0);  // no proof for it, instead of a wrong one
  CHECK(drain_old() == 1);
  old.write("product:2", 0);
  const ClaimResult again = log.claims()->claim("tier", "new", 30s);
  REQUIRE(again.status == ClaimStatus::claimed);
  CHECK_FALSE(again.claim.flush_first);
  CHECK(now.source().marks().cursor().epoch.hex() == epoch);
}

TEST_CASE("upgrade: a backup of schema 1 restored under a running program says what to do",
          "[upgrade]") {
  TempDir dir;
  make_schema_1(dir.file("backup.db"));
  const std::string path = dir.file("a.db");
  make_schema_1(path);
  sqlite::migrate(path);
  Cache cache({.memory_bytes = 64U << 20U});
  sqlite::Database db(path, cache, Process::quick());
  const Epoch before = db.source().marks().cursor().epoch;
  {
    SQLite::Database source(dir.file("backup.db"), SQLite::OPEN_READWRITE, 5000);
    SQLite::Database target(path, SQLite::OPEN_READWRITE, 5000);
    SQLite::Backup(target, source).executeStep();
  }
  CHECK_THROWS_WITH(db.catch_up(), Catch::Contains("schema 1") && Catch::Contains("migrate"));
  sqlite::migrate(path);
  db.catch_up();
  CHECK(db.source().marks().cursor().epoch != before);
}

TEST_CASE("upgrade: a program of schema 1 that is started anew is told to upgrade", "[upgrade]") {
  TempDir dir;
  const std::string path = dir.file("a.db");
  sqlite::migrate(path);
  sqlite::Connection connection(path, sqlite::Connection::Use::write, {});
  const MigrationPort port = sqlite::migration_port(connection, kSchema, path);
  try {
    fail_schema(port, port.find_version(), 1);
  } catch (const SchemaError& failure) {
    CHECK_THAT(failure.what(),
               Catch::Contains("schema " + std::to_string(sqlite::schema_version())) &&
                   Catch::Contains("upgrade"));
  }
}

TEST_CASE("upgrade: every statement of schema 1 still prepares on the upgraded database",
          "[upgrade]") {
  const Shop shop;
  sqlite::Connection connection(shop.path(), sqlite::Connection::Use::write, {});
  const SqlFile old(text_of("sqlite_queries.sql"));
  CHECK(old.names().size() > 15);
  for (const std::string& name : old.names()) {
    CAPTURE(name);
    CHECK_NOTHROW(sqlite::prepare_checked(connection.native(), old.get(name)));
  }
}
