// What a SQLite file's history can do to positions (hard case 12): restores, replaced files,
// reboots.

#include <SQLiteCpp/Backup.h>
#include <SQLiteCpp/SQLiteCpp.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "querymark/file_tier/file_tier.hpp"
#include "querymark/follow/subscriber.hpp"
#include "support/rows.hpp"
#include "support/shop.hpp"
#include "support/silent.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

Epoch epoch_of(Process& process) { return process.db.source().marks().cursor().epoch; }

std::uint64_t inode_of(const std::string& path) {
  struct stat info{};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return info.st_ino;
}

// A consistent copy of a live database, as the backup API makes it.
void back_up(const std::string& from, const std::string& to) {
  SQLite::Database source(from, SQLite::OPEN_READWRITE, 5000);
  SQLite::Database target(to, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, 5000);
  SQLite::Backup backup(target, source);
  backup.executeStep();
}

}  // namespace

TEST_CASE(
    "history: a restore into the same file is found by the cursor's row, and starts a new epoch",
    "[history]") {
  const Shop shop;
  Process process(shop);
  process.set_price(1, 3.0);
  back_up(shop.path(), shop.file("backup"));
  process.set_price(1, 4.0);
  process.set_price(1, 5.0);
  CHECK(only(process.price(1)) == 5.0);
  const Epoch before = epoch_of(process);
  const Receipt old_receipt = process.set_price(2, 9.0);

  // In the copy another program has handed the same ids out again; it is put back in one step, so
  // that only the write id of the cursor's row can tell.
  {
    SQLite::Database copy(shop.file("backup"), SQLite::OPEN_READWRITE, 5000);
    copy.exec("update product set price = 77 where id = 1");
    for (int i = 0; i < 5; ++i)
      copy.exec(
          "insert into querymark_log (namespace, kind, target, write_id) values ('shop', 'tag', "
          "'x', 5)");
  }
  back_up(shop.file("backup"), shop.path());
  process.db.catch_up();
  CHECK(epoch_of(process) != before);
  CHECK(only(process.price(1)) == 77.0);
  CHECK(process.db.wait(old_receipt, Wait::local(10s)).status == WaitStatus::refused);
}

TEST_CASE("history: a restore is found though every row bears the same write id (hard case 34)",
          "[history]") {
  const Shop shop;
  const std::string trigger = GENERATE(
      // as it was once recommended, with a constant, and as it is recommended
      "insert into querymark_log (namespace, kind, target, write_id) "
      "values ('shop', 'entity', 'product:' || new.id, 0)",
      "insert into querymark_log (namespace, kind, target, write_id) "
      "values ('shop', 'entity', 'product:' || new.id, 7)",
      "insert into querymark_log (namespace, kind, target) "
      "values ('shop', 'entity', 'product:' || new.id)");
  shop.execute("create trigger watch after update on product begin " + trigger + "; end");
  Process process(shop);
  back_up(shop.path(), shop.file("backup"));
  shop.execute("update product set price = 4 where id = 1");
  process.db.catch_up();
  CHECK(only(process.price(1)) == 4.0);
  const Epoch before = epoch_of(process);
  {
    SQLite::Database copy(shop.file("backup"), SQLite::OPEN_READWRITE, 5000);
    copy.exec("update product set price = 77 where id = 1");
  }
  back_up(shop.file("backup"), shop.path());
  process.db.catch_up();
  CHECK(epoch_of(process) != before);
  CHECK(only(process.price(1)) == 77.0);
}

TEST_CASE("history: rows deleted by hand, without raising the floor, are a flush", "[history]") {
  const Shop shop;
  Process process(shop);
  sqlite::Log log(shop.path(), "shop");
  REQUIRE(log.claims()->finish(log.claims()->claim("tier", "me", 30s).claim));
  CHECK(only(process.price(1)) == 2.5);
  const auto restarts = process.db.stats().restarts;
  const bool newest_too = GENERATE(false, true);
  shop.execute(
      "begin immediate; update product set price = 12 where id = 1;"
      "insert into querymark_log (namespace, kind, target) values ('shop', 'tag', 'x');"
      "insert into querymark_log (namespace, kind, target) values ('shop', 'entity', 'product:1');"
      "insert into querymark_log (namespace, kind, target) values ('shop', 'tag', 'x');"
      "delete from querymark_log where target = 'product:1'" +
      std::string(newest_too ? " or id = (select max(id) from querymark_log)" : "") + "; commit");
  process.db.catch_up();
  CHECK(process.db.stats().restarts == restarts + 1);
  CHECK(only(process.price(1)) == 12.0);
  process.db.catch_up();
  CHECK(process.db.stats().restarts == restarts + 1);
  // The worker's target is flushed, once, too.
  const ClaimResult next = log.claims()->claim("tier", "me", 30s);
  REQUIRE(next.status == ClaimStatus::claimed);
  CHECK(next.claim.flush_first);
  REQUIRE(log.claims()->finish(next.claim));
  CHECK(log.claims()->claim("tier", "me", 30s).status == ClaimStatus::nothing_new);
}

TEST_CASE("history: rows deleted by hand between two pages are a flush", "[history]") {
  const Shop shop;
  sqlite::Log log(shop.path(), "shop");
  TailRequest request{.from = log.now(), .upto = std::nullopt, .after = std::nullopt, .limit = 2};
  for (int i = 0; i < 5; ++i)
    shop.execute("insert into querymark_log (namespace, kind, target) values ('shop', 'tag', 'x')");
  const TailPage first = log.read(request);
  REQUIRE(first.status == TailStatus::ok);
  REQUIRE(first.more);
  shop.execute("delete from querymark_log where id = 4");
  request.upto = first.upto;
  request.after = first.rows.back();
  const TailPage second = log.read(request);
  CHECK(second.status == TailStatus::pruned);
  CHECK(second.rows.empty());
}

TEST_CASE("history: a lease that ends later than any may was taken by a wrong clock, and is over",
          "[history]") {
  const Shop shop;
  sqlite::Log log(shop.path(), "shop");
  REQUIRE(log.claims()->claim("tier", "me", kLongestLease).status == ClaimStatus::claimed);
  CHECK(log.claims()->claim("tier", "you", 30s).status == ClaimStatus::held_elsewhere);
  CHECK_THROWS_AS(log.claims()->claim("tier", "me", kLongestLease + 1ms), ConfigError);
  shop.execute("update querymark_consumer set lease_until = lease_until + 86400000");
  CHECK(log.claims()->claim("tier", "you", 30s).status == ClaimStatus::claimed);
}

TEST_CASE(
    "history: a receipt of a future that a cold copy took back is refused, though another write "
    "has "
    "its id",
    "[history]") {
  const Shop shop;
  {
    Process(shop).set_price(2, 1.0);
  }  // the last one to close leaves no WAL
  fs::copy_file(shop.path(), shop.file("cold"));
  const Receipt vanished = Process(shop).set_price(1, 8.0);
  // Nobody runs while the copy is put back, into the same inode.
  const auto inode = inode_of(shop.path());
  fs::copy_file(shop.file("cold"), shop.path(), fs::copy_options::overwrite_existing);
  REQUIRE(inode_of(shop.path()) == inode);

  Process writer(shop);
  Process reader(shop);
  const Receipt now = writer.set_price(2, 9.0);
  REQUIRE(now.position == vanished.position);
  REQUIRE(now.epoch == vanished.epoch);
  CHECK(reader.db.wait(now, Wait::local(10s)).satisfied());
  CHECK(reader.db.wait(vanished, Wait::local(10s)).status == WaitStatus::refused);
  CHECK(writer.db.wait(vanished, Wait::local(10s)).status == WaitStatus::refused);
  CHECK(writer.db.wait(now, Wait::local(10s)).satisfied());
  CHECK(only(reader.price(1)) == 2.5);
  // Once the row is pruned nobody can tell any more.
  shop.execute(
      "begin immediate; update querymark_meta set floor = (select max(id) + 1 from querymark_log);"
      "delete from querymark_log; commit");
  CHECK(reader.db.wait(vanished, Wait::local(10s)).satisfied());
}

TEST_CASE(
    "history: a write at a position that was passed before a restore is not taken for applied",
    "[history]") {
  const Shop shop;
  sqlite::Log log(shop.path(), "shop");
  Marks marks{4096};
  SilentDoorbell bell;
  Subscriber reader("shop", log, bell, marks);  // looks at the log when it is told to
  reader.begin();
  {
    Process before(shop);
    for (int i = 0; i < 10; ++i) before.set_price(2, i);
  }
  reader.catch_up();
  const Cursor passed = marks.cursor();
  shop.rewind();
  const Receipt receipt = Process(shop).set_price(1, 50.0);  // by one who knows of nothing
  REQUIRE(receipt.epoch == passed.epoch);
  REQUIRE(passed.snapshot.covers(receipt.position));
  CHECK(reader.wait(receipt, Wait::local(10s)).status == WaitStatus::refused);
  reader.catch_up();
  CHECK(marks.cursor().epoch != passed.epoch);
}

TEST_CASE(
    "history: a read connection is opened to the file that the log follows, or the log goes "
    "there first",
    "[history]") {
  const Shop shop;
  sqlite::Options options = Process::quick();
  options.poll_interval = 1h;
  options.max_lag = 4h;
  options.write_ahead_log = false;  // one file, so that a rename is a whole replacement
  shop.execute("pragma journal_mode = delete");
  back_up(shop.path(), shop.file("other"));
  SQLite::Database(shop.file("other"), SQLite::OPEN_READWRITE)
      .exec("update product set price = 42 where id = 1");
  Process process(shop, options);
  const Epoch before = epoch_of(process);
  fs::rename(shop.file("other"), shop.path());
  CHECK(only(process.price(1)) == 42.0);
  CHECK(epoch_of(process) != before);
}

TEST_CASE(
    "history: a write-ahead log that is deleted under the open database ends trust and writes",
    "[history]") {
  const Shop shop;
  Process process(shop);
  process.set_price(1, 3.0);
  CHECK(only(process.price(1)) == 3.0);
  const std::string wal = shop.path() + "-wal";
  REQUIRE(fs::exists(wal));
  fs::rename(wal, shop.file("away"));
  SECTION("deleted") {}
  SECTION("and begun anew by others") { std::ofstream(wal) << ""; }
  CHECK_THROWS_WITH(process.db.catch_up(), Catch::Contains("write-ahead log"));
  CHECK_THROWS_WITH(process.set_price(1, 4.0), Catch::Contains("write-ahead log"));
  CHECK_THAT(process.db.stats().last_error, Catch::Contains("write-ahead log"));
  fs::rename(shop.file("away"), wal);
  process.db.catch_up();
  process.set_price(1, 5.0);
  CHECK(only(process.price(1)) == 5.0);
}

TEST_CASE("history: two processes that find a restore agree on one new epoch", "[history]") {
  const Shop shop;
  Process first(shop);
  Process second(shop);
  back_up(shop.path(), shop.file("backup"));
  first.set_price(1, 4.0);
  second.db.catch_up();
  const Epoch before = epoch_of(first);
  back_up(shop.file("backup"), shop.path());
  first.db.catch_up();
  second.db.catch_up();
  first.db.catch_up();
  CHECK(epoch_of(first) != before);
  CHECK(epoch_of(first) == epoch_of(second));
  CHECK(only(first.price(1)) == 2.5);
  CHECK(only(second.price(1)) == 2.5);
}

TEST_CASE("history: a file renamed over the database is followed, by reads, writes and the log",
          "[history]") {
  const Shop shop;
  Process process(shop);
  back_up(shop.path(), shop.file("new"));
  SQLite::Database(shop.file("new"), SQLite::OPEN_READWRITE)
      .exec("update product set price = 42 where id = 1");
  CHECK(only(process.price(1)) == 2.5);
  const Epoch before = epoch_of(process);
  fs::remove(shop.path() + "-wal");
  fs::remove(shop.path() + "-shm");
  fs::rename(shop.file("new"), shop.path());
  process.db.catch_up();
  CHECK(epoch_of(process) != before);
  CHECK(only(process.price(1)) == 42.0);
  process.set_price(1, 43.0);
  CHECK(shop.number("select price from product where id = 1") == 43);
  CHECK(only(process.price(1)) == 43.0);
}

TEST_CASE("history: a file without the schema that was put there is told as that, until it has it",
          "[history]") {
  const Shop shop;
  Process process(shop);
  SQLite::Database(shop.file("new"), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE)
      .exec(
          "create table product (id integer primary key, price real);"
          "insert into product values (1, 42)");
  CHECK(only(process.price(1)) == 2.5);
  fs::remove(shop.path() + "-wal");
  fs::remove(shop.path() + "-shm");
  fs::rename(shop.file("new"), shop.path());
  for (int look = 0; look < 3; ++look) {
    CHECK_THROWS_AS(process.db.catch_up(), Error);
    CHECK_THAT(process.db.stats().last_error, Catch::Contains("has no querymark schema"));
  }
  sqlite::migrate(shop.path());
  process.db.catch_up();
  CHECK(only(process.price(1)) == 42.0);
}

TEST_CASE("history: while what lies at the path is no database, claims fail and give way later",
          "[history]") {
  const Shop shop;
  sqlite::Log log(shop.path(), "shop");
  const auto claims = log.claims();
  const ClaimResult held = claims->claim("tier", "me", 30s);
  REQUIRE(held.status == ClaimStatus::claimed);
  fs::remove(shop.path() + "-wal");
  fs::remove(shop.path() + "-shm");
  fs::rename(shop.path(), shop.file("away"));
  std::ofstream(shop.path()) << std::string(200, 'x');
  CHECK_THROWS_AS(log.now(), Error);
  CHECK_THROWS_AS(claims->renew(held.claim, 30s), Error);
  CHECK_THROWS_AS(claims->finish(held.claim), Error);
  CHECK_THROWS_AS(claims->release("tier", "me"), Error);
  fs::rename(shop.file("away"), shop.path());
  CHECK(claims->claim("tier", "me", 30s).status == ClaimStatus::claimed);
}

TEST_CASE("history: a write that comes before the poll follows the renamed file too", "[history]") {
  const Shop shop;
  sqlite::Options options = Process::quick();
  options.poll_interval = 1h;
  options.max_lag = 4h;
  Process process(shop, options);
  back_up(shop.path(), shop.file("new"));
  fs::remove(shop.path() + "-wal");
  fs::remove(shop.path() + "-shm");
  fs::rename(shop.file("new"), shop.path());
  process.set_price(1, 44.0);
  CHECK(shop.number("select price from product where id = 1") == 44);
}

TEST_CASE("history: a reboot after commits below FULL starts a new epoch; at FULL it does not",
          "[history]") {
  const auto epoch_after_reboot = [](sqlite::Synchronous synchronous) {
    const Shop shop;
    sqlite::Options options = Process::quick();
    options.synchronous = synchronous;
    Epoch before;
    {
      Process process(shop, options);
      process.set_price(1, 3.0);
      before = epoch_of(process);
    }
    shop.execute("update querymark_meta set boot_id = 'another boot' where boot_id is not null");
    Process process(shop, options);
    return std::pair(before, epoch_of(process));
  };
  const auto normal = epoch_after_reboot(sqlite::Synchronous::normal);
  CHECK(normal.first != normal.second);
  const auto full = epoch_after_reboot(sqlite::Synchronous::full);
  CHECK(full.first == full.second);
}

TEST_CASE("history: a persistent tier that outlived an unwatched restore is not trusted",
          "[history]") {
  const Shop shop;
  back_up(shop.path(), shop.file("backup"));
  {
    Process filler(shop);
    filler.db.attach(FileTier(shop.file("tier")));
    filler.set_price(1, 8.0);
    CHECK(only(filler.price(1)) == 8.0);
    filler.set_price(2, 8.5);
    CHECK(only(filler.price(2)) == 8.5);
  }
  // Nobody runs while the file's content is put back and its ids are handed out again. The identity
  // columns are restored too, as if the backup had been made after the first open.
  const auto inode = inode_of(shop.path());
  shop.rewind();
  REQUIRE(inode_of(shop.path()) == inode);  // or the file itself would tell
  Process newcomer(shop);
  newcomer.db.attach(FileTier(shop.file("tier")));
  CHECK(only(newcomer.price(1)) == 2.5);
}

TEST_CASE("history: a log pruned past a subscriber flushes its marks", "[history]") {
  const Shop shop;
  sqlite::Options options = Process::quick();
  Process process(shop, options);
  static_cast<void>(process.price(1));
  const auto restarts = process.db.stats().restarts;
  {
    SQLite::Database other(shop.path(), SQLite::OPEN_READWRITE, 5000);
    other.exec("begin immediate");
    for (int i = 0; i < 5; ++i)
      other.exec(
          "insert into querymark_log (namespace, kind, target, write_id) values ('shop', 'tag', "
          "'x', 7)");
    other.exec("update product set price = 12 where id = 1");
    other.exec("update querymark_meta set floor = 5");
    other.exec("delete from querymark_log where id < 5");
    other.exec("commit");
  }
  process.db.catch_up();
  CHECK(process.db.stats().restarts == restarts + 1);
  CHECK(only(process.price(1)) == 12.0);
}
