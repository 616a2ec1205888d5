// Copies of a database file, however they are made, and what a file says of itself.

#include <SQLiteCpp/Backup.h>
#include <SQLiteCpp/SQLiteCpp.h>

#include <barrier>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "file_claim.hpp"
#include "querymark/file_tier/file_tier.hpp"
#include "support/rows.hpp"
#include "support/shop.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

void execute(const std::string& path, const std::string& sql) {
  SQLite::Database(path, SQLite::OPEN_READWRITE, 5000).exec(sql);
}

void back_up(const std::string& from, const std::string& to) {
  SQLite::Database source(from, SQLite::OPEN_READWRITE, 5000);
  SQLite::Database target(to, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, 5000);
  SQLite::Backup(target, source).executeStep();
}

// A database of its own, with a cache and a tier.
struct Tenant {
  explicit Tenant(const std::string& path) : db(path, cache, Process::quick()) {}
  Epoch epoch() { return db.source().marks().cursor().epoch; }
  std::string note() {
    const auto rows = db.query("select note from product where id = 1")
                          .tag(entity("product", 1))
                          .fetch_as<std::string>();
    return only(rows);
  }
  Receipt touch() {
    return db.write([](sqlite::Transaction& tx) { tx.invalidate(tag("a")); }).receipt;
  }

  Cache cache{{.memory_bytes = 64U << 20U}};
  sqlite::Database db;
};

struct Identity {
  std::string database;
  std::string epoch;
  friend bool operator==(const Identity&, const Identity&) = default;
};

Identity identity_in(const std::string& path) {
  SQLite::Database database(path, SQLite::OPEN_READWRITE, 5000);
  SQLite::Statement statement(database, "select database_id, epoch from querymark_meta");
  statement.executeStep();
  return {statement.getColumn(0).getString(), statement.getColumn(1).getString()};
}

void open_once(const std::string& path) { static_cast<void>(sqlite::Log(path, "shop").now()); }

}  // namespace

TEST_CASE(
    "copies: databases made from one migrated template share neither tier nor receipts (hard case "
    "33)",
    "[copies]") {
  const Shop shop;
  const bool opened = GENERATE(false, true);
  CAPTURE(opened);
  if (opened) open_once(shop.path());
  back_up(shop.path(), shop.file("template"));
  const auto tenant_file = [&](const std::string& name) {
    fs::copy_file(shop.file("template"), shop.file(name));
    execute(shop.file(name), "update product set note = '" + name + "' where id = 1");
    return shop.file(name);
  };
  Tenant a(tenant_file("a"));
  Tenant b(tenant_file("b"));
  a.db.attach(FileTier(shop.file("tier")));
  b.db.attach(FileTier(shop.file("tier")));
  CHECK(a.note() == "a");
  CHECK(b.note() == "b");
  const Receipt of_a = a.touch();
  b.touch();
  CHECK(b.db.wait(of_a, Wait::local(10s)).status == WaitStatus::refused);
  const Identity first = identity_in(shop.file("a"));
  const Identity second = identity_in(shop.file("b"));
  CHECK(first.database != second.database);
  CHECK(first.epoch != second.epoch);
}

TEST_CASE("copies: each way to copy a database gives the copy an identity of its own", "[copies]") {
  const Shop shop;
  open_once(shop.path());
  shop.execute("pragma wal_checkpoint(truncate)");
  const Identity original = identity_in(shop.path());
  const std::string copy = shop.file("copy");
  SECTION("the file") { fs::copy_file(shop.path(), copy); }
  SECTION("VACUUM INTO") { shop.execute("vacuum into '" + copy + "'"); }
  SECTION("the backup API") { back_up(shop.path(), copy); }
  SECTION("the backup API, over a database that has an identity") {
    sqlite::migrate(copy);
    open_once(copy);
    back_up(shop.path(), copy);
  }
  SECTION("a dump") {
    const std::string command = "sqlite3 '" + shop.path() + "' .dump | sqlite3 '" + copy + "'";
    REQUIRE(std::system(command.c_str()) == 0);
  }
  REQUIRE(identity_in(copy) == original);
  open_once(copy);
  const Identity of_copy = identity_in(copy);
  CHECK(of_copy.database != original.database);
  CHECK(of_copy.epoch != original.epoch);
  open_once(copy);
  open_once(shop.path());
  CHECK(identity_in(copy) == of_copy);
  CHECK(identity_in(shop.path()) == original);
}

TEST_CASE("copies: a moved or renamed database keeps its identity", "[copies]") {
  const Shop shop;
  open_once(shop.path());
  shop.execute("pragma wal_checkpoint(truncate)");
  const Identity original = identity_in(shop.path());
  fs::rename(shop.path(), shop.file("moved"));
  open_once(shop.file("moved"));
  CHECK(identity_in(shop.file("moved")) == original);
}

TEST_CASE("copies: another database's backup, put into an open one, does not bring its identity",
          "[copies]") {
  const Shop shop;
  Tenant here(shop.path());
  const std::string other = shop.file("other");
  back_up(shop.path(), other);
  Tenant there(other);
  execute(shop.path(), "update product set note = 'here' where id = 1");
  execute(other, "update product set note = 'there' where id = 1");
  CHECK(here.note() == "here");
  back_up(other, shop.path());
  here.db.catch_up();
  CHECK(here.epoch() != there.epoch());
  CHECK(here.note() == "there");
  CHECK(identity_in(shop.path()).database != identity_in(other).database);
  const Receipt receipt = there.touch();
  here.touch();
  CHECK(here.db.wait(receipt, Wait::local(10s)).status == WaitStatus::refused);
}

TEST_CASE("copies: a process that saw a restore and one that came after it reach each other by key",
          "[copies]") {
  const Shop shop;
  execute(shop.path(), "update product set note = 'first' where id = 1");
  Tenant old(shop.path());
  back_up(shop.path(), shop.file("restored"));
  for (const char* suffix : {"-wal", "-shm"}) fs::remove(shop.path() + suffix);
  fs::rename(shop.file("restored"), shop.path());
  old.db.catch_up();
  Tenant newcomer(shop.path());
  CHECK(old.note() == "first");
  const Receipt receipt =
      newcomer.db
          .write([&](sqlite::Transaction& tx) {
            tx.execute("update product set note = 'second' where id = 1");
            tx.invalidate(newcomer.db.query("select note from product where id = 1").key());
          })
          .receipt;
  REQUIRE(old.db.wait(receipt, Wait::local(10s)).satisfied());
  CHECK(old.note() == "second");
}

TEST_CASE("copies: processes that open a fresh copy at once agree on its identity", "[copies]") {
  constexpr int kOpeners = 4;
  for (int round = 0; round < 10; ++round) {
    const Shop shop;
    std::barrier ready(kOpeners);
    std::vector<std::string> ids(kOpeners);
    std::vector<Epoch> epochs(kOpeners);
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < kOpeners; ++i)
      threads.emplace_back([&, i] {
        ready.arrive_and_wait();
        sqlite::Log log(shop.path(), "shop");
        ids[i] = log.database_id();
        epochs[i] = log.now().epoch;
      });
    for (std::thread& thread : threads) thread.join();
    CHECK(std::ranges::count(ids, ids[0]) == kOpeners);
    CHECK(std::ranges::count(epochs, epochs[0]) == kOpeners);
  }
}

TEST_CASE("copies: an emptied claim makes the identity anew, also under a running process",
          "[copies]") {
  const Shop shop;
  Tenant tenant(shop.path());
  const Identity before = identity_in(shop.path());
  shop.execute("update querymark_meta set file_identity = '', epoch = lower(hex(randomblob(16)))");
  tenant.db.catch_up();
  const Identity after = identity_in(shop.path());
  CHECK(after.database != before.database);
  CHECK(after.epoch == tenant.epoch().hex());
}

TEST_CASE("copies: a file is the claimed one by inode and birth, and by host where both ids differ",
          "[copies]") {
  const sqlite::FileClaim claim{"7:42", "1000", "machine", "boot"};
  const auto same = [&](const sqlite::FileClaim& now) { return sqlite::same_file(claim, now); };
  CHECK(same(claim));
  CHECK_FALSE(same({"7:43", "1000", "machine", "boot"}));
  CHECK_FALSE(same({"7:42", "1001", "machine", "boot"}));  // the inode's next file
  CHECK(same({"8:42", "1000", "machine", "boot"}));        // another mount, numbered anew
  CHECK(same({"7:42", "", "machine", "boot"}));            // no births: device and inode
  CHECK_FALSE(same({"8:42", "", "machine", "boot"}));
  CHECK(same({"7:42", "1000", "machine", "next boot"}));
  CHECK(same({"7:42", "1000", "container", "boot"}));
  CHECK_FALSE(same({"7:42", "1000", "clone", "its boot"}));
  CHECK_FALSE(sqlite::same_file({}, claim));              // never opened
  CHECK(sqlite::same_file({"7:42", "", "", ""}, claim));  // of a release that knew no more
}
