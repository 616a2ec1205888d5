#include "querymark/sqlite/doorbell.hpp"

#include <SQLiteCpp/SQLiteCpp.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "support/held_sync.hpp"
#include "support/shop.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

// A thread that waits at the doorbell. `asleep()` returns once it has looked and found nothing:
// what happens from then on it can learn from an event alone, for its timeout is an hour.
class Waiter {
 public:
  explicit Waiter(const std::string& path) : bell_(path) {}
  ~Waiter() { bell_.interrupt(); }

  void wait() {
    const std::uint64_t before = bell_.looks();
    rung_ = std::async(std::launch::async, [this] { bell_.wait(1h); });
    while (bell_.looks() == before) std::this_thread::yield();
  }
  void wake() { bell_.interrupt(); }
  // What has happened up to now is known, and rings no more.
  void settle() { bell_.wait(0ns); }
  [[nodiscard]] bool rings() const { return rung_.wait_for(20s) == std::future_status::ready; }
  [[nodiscard]] bool still_asleep() const {
    return rung_.wait_for(0s) != std::future_status::ready;
  }
  [[nodiscard]] const sqlite::FileDoorbell& bell() const { return bell_; }

 private:
  sqlite::FileDoorbell bell_;
  std::future<void> rung_;
};

void commit(const std::string& path) {
  SQLite::Database(path, SQLite::OPEN_READWRITE, 5000).exec("update product set price = price + 1");
}

}  // namespace

TEST_CASE("doorbell: a commit rings, whatever name leads to the database", "[doorbell]") {
  const Shop shop;
  fs::create_directory(shop.file("real"));
  const std::string real = shop.file("real/shop.db");
  fs::copy_file(shop.path(), real);
  std::string name = real;
  SECTION("its own") {}
  SECTION("a symbolic link") {
    name = shop.file("link.db");
    fs::create_symlink("real/shop.db", name);
  }
  SECTION("a link to a link, in a linked folder") {
    fs::create_symlink("real/shop.db", shop.file("first.db"));
    fs::create_directory_symlink(fs::path(shop.path()).parent_path(), shop.file("folder"));
    fs::create_symlink("first.db", shop.file("second.db"));
    name = shop.file("folder/second.db");
  }
  SECTION("in rollback journal mode") {
    SQLite::Database(real, SQLite::OPEN_READWRITE).exec("pragma journal_mode = delete");
  }
  Waiter waiter(name);
  REQUIRE(waiter.bell().watches_file());
  for (int i = 0; i < 3; ++i) {
    waiter.wait();
    commit(real);
    CHECK(waiter.rings());
  }
}

TEST_CASE("doorbell: a commit rings whose sync takes long after its writes were seen",
          "[doorbell]") {
  const Shop shop;
  HeldSync disk;
  Waiter waiter(shop.path());
  commit(shop.path());  // so that the log has a head, which is synced by itself
  waiter.settle();
  waiter.wait();
  const std::uint64_t before = waiter.bell().looks();
  auto committed = std::async(std::launch::async, [&] {
    SQLite::Database slow(shop.path(), SQLite::OPEN_READWRITE, 5000, HeldSync::kName);
    slow.exec("pragma synchronous = full; update product set price = price + 1");
  });
  disk.await_held();
  // All of it is written, and nothing will tell when it counts. The first looks follow each other
  // quickly, a dozen within an eighth of a second: whoever goes on does not give up.
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (waiter.bell().looks() < before + 30 && std::chrono::steady_clock::now() < deadline)
    std::this_thread::yield();
  CHECK(waiter.bell().looks() >= before + 30);
  CHECK(waiter.still_asleep());
  disk.let_go();
  committed.get();
  CHECK(waiter.rings());
}

TEST_CASE("doorbell: commits that look like what was there before ring", "[doorbell]") {
  const Shop shop;
  Waiter waiter(shop.path());
  SQLite::Database other(shop.path(), SQLite::OPEN_READWRITE, 5000);
  const auto wal_size = [&] { return fs::file_size(shop.path() + "-wal"); };
  const auto rings_for = [&](const std::string& sql) {
    waiter.settle();
    waiter.wait();
    CHECK(waiter.still_asleep());
    other.exec(sql);
    CHECK(waiter.rings());
  };
  SECTION("as long a log as before it was emptied") {
    rings_for("update product set price = 1");
    const auto before = wal_size();
    other.exec("pragma wal_checkpoint(truncate)");
    REQUIRE(wal_size() == 0);
    rings_for("update product set price = 2");
    CHECK(wal_size() == before);
  }
  SECTION("in the place of one that was written out and rolled back") {
    // A small cache spills its pages into the log before it is known what becomes of them.
    other.exec("pragma cache_size = 2; create table big (t text); begin");
    for (int i = 0; i < 200; ++i) other.exec("insert into big values (hex(randomblob(2000)))");
    const auto spilled = wal_size();
    other.exec("rollback");
    rings_for("update product set price = 3");
    CHECK(wal_size() == spilled);
  }
  SECTION("of a file that is rebuilt as a whole") { rings_for("vacuum"); }
  SECTION("with a checkpoint in between that starts the log anew") {
    rings_for("update product set price = 4");
    other.exec("pragma wal_checkpoint(restart)");
    for (int i = 0; i < 3; ++i) rings_for("update product set price = price + 1");
  }
}

TEST_CASE("doorbell: while somebody keeps the file to himself, who waits can be woken",
          "[doorbell]") {
  const Shop shop;
  shop.execute("pragma journal_mode = delete");
  Waiter waiter(shop.path());
  waiter.settle();
  SQLite::Database other(shop.path(), SQLite::OPEN_READWRITE, 5000);
  other.exec("begin exclusive; update product set price = price + 1");
  waiter.wait();
  const auto began = std::chrono::steady_clock::now();
  waiter.wake();
  CHECK(waiter.rings());
  CHECK(std::chrono::steady_clock::now() - began < 3s);
  // And what becomes of it is seen.
  waiter.wait();
  other.exec("commit");
  CHECK(waiter.rings());
}

TEST_CASE("doorbell: it follows the switch to write-ahead logging", "[doorbell]") {
  const Shop shop;
  shop.execute("pragma journal_mode = delete");
  Waiter waiter(shop.path());
  REQUIRE(waiter.bell().watches_file());
  waiter.wait();
  SQLite::Database other(shop.path(), SQLite::OPEN_READWRITE, 5000);
  other.exec("pragma journal_mode = wal; update product set price = 1");
  CHECK(waiter.rings());
  waiter.wait();
  other.exec("update product set price = 2");
  CHECK(waiter.rings());
}

TEST_CASE("doorbell: a file renamed over the database rings, and so do commits in it",
          "[doorbell]") {
  const Shop shop;
  Waiter waiter(shop.path());
  for (int i = 0; i < 3; ++i) {
    SQLite::Database(shop.path(), SQLite::OPEN_READWRITE).exec("pragma wal_checkpoint(truncate)");
    fs::copy_file(shop.path(), shop.file("new.db"));
    waiter.wait();
    for (const char* suffix : {"-wal", "-shm"}) fs::remove(shop.path() + suffix);
    fs::rename(shop.file("new.db"), shop.path());
    CHECK(waiter.rings());
    waiter.wait();
    commit(shop.path());
    CHECK(waiter.rings());
    CHECK(waiter.bell().watches_file());
  }
}

TEST_CASE("doorbell: what else is written in the folder costs nothing", "[doorbell]") {
  const Shop shop;
  Waiter waiter(shop.path());
  waiter.wait();
  const std::uint64_t before = waiter.bell().looks();
  for (const char* name : {"log", "shop.db-wal.old", "shop.db.tmp"}) {
    std::ofstream other(shop.file(name));
    for (int i = 0; i < 2000; ++i) other << "a line of something else" << std::flush;
  }
  for (int i = 0; i < 100; ++i) {
    std::ofstream(shop.file("shop.db-journal.tmp")) << i;
    fs::remove(shop.file("shop.db-journal.tmp"));
  }
  CHECK(waiter.bell().looks() == before);
  CHECK(waiter.still_asleep());
  commit(shop.path());
  CHECK(waiter.rings());
}

TEST_CASE("doorbell: an operator's retry wakes the worker whose delivery it is", "[doorbell]") {
  // A commit like any other, as long as decisions are made in the database itself.
  const Shop shop;
  Process process(shop);
  sqlite::Log log(shop.path(), "shop");
  const auto claims = log.claims();
  const auto deliveries = log.deliveries();
  REQUIRE(claims->finish(claims->claim("tier", "me", 30s).claim));
  const Receipt written = process.set_price(1, 4.0);
  const Claim claim = claims->claim("tier", "me", 30s).claim;
  REQUIRE(deliveries->record(claim,
                             {.cursor = claim.upto,
                              .left = {{.target = entity("product", 1),
                                        .first_position = written.position,
                                        .position = written.position,
                                        .state = DeliveryState::dead}},
                              .applied = {},
                              .lifetime = 24h},
                             OnDeath::nothing));
  const std::vector<DeliveryRow> dead = deliveries->list({.states = {DeliveryState::dead}});
  REQUIRE(dead.size() == 1);
  Waiter waiter(shop.path());
  waiter.wait();
  const SeenDelivery seen{dead[0].record.id, DeliveryState::dead};
  REQUIRE(deliveries->decide({&seen, 1}, Decision::retry).size() == 1);
  CHECK(waiter.rings());
  const auto due = deliveries->take_due(claims->claim("tier", "me", 30s).claim, 10);
  REQUIRE(due);
  CHECK(due->size() == 1);
}
