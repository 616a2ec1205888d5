// Which file a connection has opened, and whose identity the database carries.

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <functional>

#include "connection.hpp"
#include "support/shop.hpp"
#include "support/temp_dir.hpp"

using namespace querymark;
using querymark::test::Process;
using querymark::test::Shop;
using querymark::test::TempDir;
namespace fs = std::filesystem;

namespace {

// Runs once, inside the next sqlite3_open, after SQLite has opened the file.
std::function<void()> after_open;

extern "C" int run_after_open(sqlite3* /*unused*/, char** /*unused*/,
                              const sqlite3_api_routines* /*unused*/) {
  if (auto action = std::exchange(after_open, nullptr)) action();
  return SQLITE_OK;
}

class AfterOpen {
 public:
  explicit AfterOpen(std::function<void()> action) {
    after_open = std::move(action);
    sqlite3_auto_extension(reinterpret_cast<void (*)()>(run_after_open));
  }
  AfterOpen(const AfterOpen&) = delete;
  AfterOpen& operator=(const AfterOpen&) = delete;
  ~AfterOpen() { sqlite3_cancel_auto_extension(reinterpret_cast<void (*)()>(run_after_open)); }
};

void make(const std::string& path, int value) {
  SQLite::Database database(path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
  database.exec("create table t (x); insert into t values (" + std::to_string(value) + ")");
}

int value_in(sqlite::Connection& connection) {
  const ResultSet rows = connection.query("select x from t", {});
  return rows.row(0)[0].as<int>();
}

}  // namespace

TEST_CASE("identity: a file renamed over the path while it is opened is not taken for the other",
          "[identity]") {
  TempDir dir;
  const std::string path = dir.file("a.db");
  make(path, 1);
  make(dir.file("b.db"), 2);
  const AfterOpen swap([&] { fs::rename(dir.file("b.db"), path); });
  sqlite::Connection connection(path, sqlite::Connection::Use::read, {});
  CHECK_FALSE(after_open);
  CHECK(value_in(connection) == 2);
  CHECK(connection.identity() == sqlite::identity_of(path));
  CHECK_FALSE(connection.moved());
  make(dir.file("c.db"), 3);
  fs::rename(dir.file("c.db"), path);
  CHECK(connection.moved());
  CHECK(connection.identity() != sqlite::identity_of(path));
}

TEST_CASE("identity: a path that leads elsewhere at each attempt is an error, not an endless loop",
          "[identity]") {
  TempDir dir;
  const std::string path = dir.file("a.db");
  make(path, 1);
  int swaps = 0;
  std::function<void()> swap = [&] {
    const std::string next = dir.file("next.db");
    fs::copy_file(path, next);
    fs::rename(next, path);
    ++swaps;
    after_open = swap;
  };
  const AfterOpen storm(swap);
  try {
    const sqlite::Connection connection(path, sqlite::Connection::Use::read, {});
    FAIL("opened");
  } catch (const Error& failure) {
    CHECK(failure.retryable());
    CHECK(swaps > 1);
  }
  after_open = nullptr;
}

TEST_CASE("identity: an inode that is given out again is another file", "[identity]") {
  TempDir dir;
  const std::string path = dir.file("a.db");
  make(path, 1);
  const auto first = sqlite::identity_of(path);
  REQUIRE(first);
  fs::remove(path);
  make(path, 1);
  const auto second = sqlite::identity_of(path);
  REQUIRE(second);
  CHECK(first != second);
}

TEST_CASE("identity: what the library creates belongs to its owner alone, whatever the umask",
          "[identity]") {
  TempDir dir;
  const std::string path = dir.file("a.db");
  const mode_t before = ::umask(0);
  {
    sqlite::Connection connection(path, sqlite::Connection::Use::write,
                                  {.write_ahead_log = true, .create = true});
    connection.run("create table t (x)");
    for (const char* suffix : {"", "-wal", "-shm"}) {
      CAPTURE(suffix);
      CHECK((fs::status(path + suffix).permissions() & fs::perms::all) ==
            (fs::perms::owner_read | fs::perms::owner_write));
    }
  }
  ::umask(before);
}

TEST_CASE("sqlite: waits of any length stay within what clocks can count", "[sqlite]") {
  using std::chrono::milliseconds;
  const Shop shop;
  for (const auto& [asked, taken] :
       {std::pair{milliseconds::max(), milliseconds(std::chrono::hours(24))},
        std::pair{milliseconds::min(), milliseconds(0)},
        std::pair{milliseconds(30), milliseconds(30)}}) {
    const sqlite::Connection connection(shop.path(), sqlite::Connection::Use::read,
                                        {.busy_timeout = asked});
    CHECK(connection.busy_timeout() == taken);
  }
  sqlite::Options options = Process::quick();
  options.busy_timeout = milliseconds::max();
  Process process(shop, options);
  process.set_price(1, 4.0);
  CHECK(process.price(1).outcome().stored == Stored::yes);
}
