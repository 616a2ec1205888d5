// Which file a tier is, whose it is, and what becomes of it while it is open.

#include <SQLiteCpp/SQLiteCpp.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "connection.hpp"
#include "file_tier_sql.hpp"
#include "querymark/file_tier/file_tier.hpp"
#include "support/shop.hpp"
#include "support/sql_file.hpp"
#include "support/temp_dir.hpp"
#include "support/tier_values.hpp"

using namespace querymark;
using namespace querymark::test;
using Catch::Matchers::Contains;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

std::string id_of(const std::string& path) { return FileTier(path).id(); }

void execute(const std::string& path, const std::string& sql) {
  SQLite::Database(path, SQLite::OPEN_READWRITE, 5000).exec(sql);
}

std::int64_t number(const std::string& path, const std::string& sql) {
  return SQLite::Database(path, SQLite::OPEN_READWRITE, 5000).execAndGet(sql).getInt64();
}

template <class Expected>
std::string refusal(const std::string& path) {
  try {
    const FileTier tier(path, {.busy_timeout = 30s});
    return "opened";
  } catch (const Expected& failure) {
    return failure.what();
  }
}

// As it stands, for whoever has it open.
void overwrite_with_zeros(const std::string& path) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  const std::string zeros(static_cast<std::size_t>(fs::file_size(path)), '\0');
  file.write(zeros.data(), static_cast<std::streamsize>(zeros.size()));
}

std::function<void()> before_lock;  // once: what others do before a lock is tried

}  // namespace

// The library's, too.
extern "C" int flock(int file, int operation) noexcept {
  if (const auto others = std::exchange(before_lock, nullptr)) others();
  return static_cast<int>(::syscall(SYS_flock, file, operation));
}

TEST_CASE("file tier: the worker's consumer is named by the tier, not by its path", "[file tier]") {
  TempDir one;
  TempDir other;
  const std::string id = id_of(one.file("tier"));
  CHECK(id.size() == 32);
  CHECK(id_of(one.file("tier")) == id);
  CHECK(id_of(other.file("tier")) != id);
  CHECK(FileTierApplier(std::make_shared<FileTier>(one.file("tier")), "shop").name() ==
        "file-tier:" + id);
}

TEST_CASE("file tier: a copy is another tier, a moved one the same", "[file tier]") {
  TempDir dir;
  const std::string id = id_of(dir.file("tier"));
  fs::copy_file(dir.file("tier"), dir.file("copy"));
  const std::string of_copy = id_of(dir.file("copy"));
  CHECK(of_copy != id);
  CHECK(id_of(dir.file("copy")) == of_copy);
  fs::rename(dir.file("tier"), dir.file("moved"));
  CHECK(id_of(dir.file("moved")) == id);
  // The same bytes in the same inode on another host.
  execute(dir.file("moved"),
          "update querymark_tier_identity set machine_id = 'theirs', boot_seen = 'theirs'");
  CHECK(id_of(dir.file("moved")) != id);
}

TEST_CASE("file tier: a row that the index leads to by mistake is a counted miss (hard case 43)",
          "[file tier]") {
  TempDir dir;
  FileTier tier(dir.file("tier"), {.busy_timeout = 30s});
  tier.put("shop", name(1), value_of("one"));
  tier.put("other", name(2), value_of("two"));
  CHECK(text_in(tier.get("shop", name(1))) == "one");
  const std::string swap =
      "update querymark_tier_entry set value = (select value from querymark_tier_entry where seq = "
      "2) where seq = 1";
  SECTION("another query's value") { execute(dir.file("tier"), swap); }
  SECTION("another namespace") {
    execute(dir.file("tier"), "update querymark_tier_entry set namespace = 'other' where seq = 1");
  }
  CHECK(text_in(tier.get("shop", name(1))) == "none");
  CHECK(text_in(tier.get("other", name(2))) == "two");
  CHECK(tier.stats().corrupt == 1);
}

TEST_CASE("file tier: a removed file is noticed, and made anew", "[file tier]") {
  TempDir dir;
  FileTier tier(dir.file("tier"), {.busy_timeout = 30s});
  const std::string id = tier.id();
  tier.put("shop", name(1), value_of("one"));
  for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(dir.file("tier") + suffix);
  CHECK(text_in(tier.get("shop", name(1))) == "none");
  CHECK(tier.put("shop", name(1), value_of("again")) == StoreStatus::stored);
  CHECK(text_in(tier.get("shop", name(1))) == "again");
  CHECK(number(dir.file("tier"), "select count(*) from querymark_tier_entry") == 1);
  CHECK(tier.id() != id);
  CHECK(tier.stats().replaced == 1);
  CHECK(tier.stats().failures == 0);
}

TEST_CASE(
    "file tier: while its folder is gone its name and counters are told, and then it is made anew",
    "[file tier]") {
  TempDir dir;
  fs::create_directory(dir.file("here"));
  FileTier tier(dir.file("here/tier"), {.busy_timeout = 30s});
  const std::string id = tier.id();
  REQUIRE(tier.put("shop", name(1), value_of("one")) == StoreStatus::stored);
  CHECK(tier.stats().entries == 1);
  fs::rename(dir.file("here"), dir.file("away"));
  CHECK(tier.put("shop", name(2), value_of("two")) == StoreStatus::failed);
  const FileTierStats stats = tier.stats();
  CHECK(stats.stored == 1);
  CHECK(stats.failures == 1);
  CHECK(stats.entries == 0);
  CHECK(tier.id() == id);
  fs::create_directory(dir.file("here"));
  tier.invalidate("shop", Epoch{1, 1}, {});  // waits for no breaker
  CHECK(tier.id() != id);
  CHECK(tier.stats().replaced == 1);
}

TEST_CASE("file tier: a replaced file is followed", "[file tier]") {
  TempDir dir;
  FileTier tier(dir.file("tier"), {.busy_timeout = 30s});
  tier.put("shop", name(1), value_of("here"));
  {
    FileTier next(dir.file("next"), {.busy_timeout = 30s});
    next.put("shop", name(1), value_of("there"));
  }
  for (const char* suffix : {"-wal", "-shm"}) fs::remove(dir.file("tier") + suffix);
  fs::rename(dir.file("next"), dir.file("tier"));
  CHECK(text_in(tier.get("shop", name(1))) == "there");
  CHECK(tier.id() == id_of(dir.file("tier")));
}

TEST_CASE("file tier: somebody has cut its log while processes have it open: they go on with it",
          "[file tier]") {
  TempDir dir;
  ManualClock clock;
  const std::string path = dir.file("tier");
  FileTier tier(path, {.clock = &clock});
  FileTier other(path, {.clock = &clock});  // as another process: SQLite keeps one index of the log
  constexpr int kValues = 15;               // more than a connection has at hand
  const std::string old(200'000, 'o');
  for (int i = 1; i <= kValues; ++i)
    CHECK(tier.put("shop", name(i), value_of(old)) == StoreStatus::stored);
  for (FileTier* one : {&tier, &other}) {
    std::vector<std::jthread> threads;  // so that several connections read
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        for (int round = 0; round < 50; ++round)
          static_cast<void>(one->get("shop", name(1 + round % kValues)));
      });
    threads.clear();
    CHECK(text_in(one->get("shop", name(1))) == old);
    static_cast<void>(one->stats());  // and one that invalidates is open
  }
  const std::string by = GENERATE("readers", "writers", "the worker");
  CAPTURE(by);
  fs::resize_file(path + "-wal", 0);
  // Whoever has at hand what it needs does not find out. Who does removes the file; all then find another one.
  for (int round = 0; round < 4; ++round) {
    clock.advance(6s);  // past any pause of a breaker
    if (by == "the worker") {
      const SharedInvalidation hit{tag("a"), Position{9}, Position{9}};
      try {
        tier.invalidate("shop", Epoch{1, 1}, {&hit, 1});
      } catch (const Error&) {  // it tries again
        CHECK(round < 2);
      }
    }
    if (by == "writers") static_cast<void>(tier.put("shop", name(2), value_of("again")));
    for (int i = 1; i <= kValues; ++i) {
      static_cast<void>(tier.get("shop", name(i)));
      static_cast<void>(other.get("shop", name(i)));
    }
  }
  clock.advance(6s);
  CHECK(tier.put("shop", name(3), value_of("new")) == StoreStatus::stored);
  CHECK(text_in(other.get("shop", name(3))) == "new");
  CHECK(text_in(tier.get("shop", name(1))) == "none");
  CHECK(tier.stats().replaced >= 1);
  CHECK(other.stats().replaced >= 1);
  CHECK(other.id() == tier.id());
}

TEST_CASE("file tier: a file that was overwritten while it is open is made anew", "[file tier]") {
  TempDir dir;
  ManualClock clock;
  const std::string path = dir.file("tier");
  FileTier tier(path, {.clock = &clock});
  const std::string id = tier.id();
  for (int i = 1; i < 50; ++i) tier.put("shop", name(i), value_of("old"));
  execute(path, "pragma wal_checkpoint(truncate)");
  overwrite_with_zeros(path);
  for (int round = 0; round < 2; ++round) {
    clock.advance(6s);
    static_cast<void>(tier.get("shop", name(1)));
    static_cast<void>(tier.put("shop", name(1), value_of("new")));
  }
  clock.advance(6s);
  CHECK(tier.put("shop", name(1), value_of("new")) == StoreStatus::stored);
  CHECK(text_in(tier.get("shop", name(1))) == "new");
  CHECK(tier.id() != id);
}

TEST_CASE("file tier: nothing stays beside a broken file that is removed", "[file tier]") {
  // SQLite removes the log that it finds beside a new and empty file, but not the log's index, which others may have
  // open.
  TempDir dir;
  const std::string path = dir.file("tier");
  FileTier tier(path, {.busy_timeout = 30s});
  tier.put("shop", name(1), value_of("old"));
  const auto there = [&] {
    std::vector<std::string> found;
    for (const char* suffix : {"", "-wal", "-shm", "-journal"})
      if (fs::exists(path + suffix)) found.emplace_back(suffix);
    return found;
  };
  std::ofstream(path + "-journal", std::ios::binary) << "left by a crash";
  fs::permissions(path + "-journal", fs::perms::owner_read | fs::perms::owner_write);
  REQUIRE(there() == std::vector<std::string>{"", "-wal", "-shm", "-journal"});
  fs::resize_file(path + "-wal", 0);
  std::ofstream(path, std::ios::binary) << std::string(8192, 'x');
  CHECK(text_in(tier.get("shop", name(1))) == "none");
  CHECK(there().empty());
}

TEST_CASE("file tier: a connection to a broken file that was replaced does not remove the new one",
          "[file tier]") {
  TempDir dir;
  ManualClock clock;
  const std::string path = dir.file("tier");
  FileTier tier(path, {.clock = &clock});
  for (int i = 1; i < 10; ++i)  // more than the reader has at hand
    tier.put("shop", name(i), value_of(std::string(200'000, 'o')));
  execute(path, "pragma wal_checkpoint(truncate)");
  CHECK(tier.get("shop", name(1)));
  fs::rename(path, dir.file("broken"));
  for (const char* suffix : {"-wal", "-shm"}) fs::remove(path + suffix);
  {
    FileTier next(path, {.busy_timeout = 30s});
    next.put("shop", name(1), value_of("new"));
  }
  static_cast<void>(tier.stats());  // whose connection finds the new one; the reader looks later
  const auto file = fs::file_size(path);
  overwrite_with_zeros(dir.file("broken"));
  static_cast<void>(tier.get("shop", name(9)));
  CHECK(tier.stats().failures == 1);
  REQUIRE(fs::exists(path));
  CHECK(fs::file_size(path) == file);
  clock.advance(6s);
  CHECK(text_in(tier.get("shop", name(1))) == "new");
}

TEST_CASE("file tier: of several that find it broken at once one removes it", "[file tier]") {
  TempDir dir;
  ManualClock clock;
  const std::string path = dir.file("tier");
  FileTier tier(path, {.clock = &clock});
  tier.put("shop", name(1), value_of("old"));
  execute(path, "pragma wal_checkpoint(truncate)");
  overwrite_with_zeros(path);
  SECTION("another is at it: he ends it") {
    const int others = ::open(dir.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    REQUIRE(::flock(others, LOCK_EX | LOCK_NB) == 0);
    static_cast<void>(tier.get("shop", name(1)));
    CHECK(fs::exists(path));
    ::close(others);  // or has died
    clock.advance(6s);
    static_cast<void>(tier.get("shop", name(1)));
    CHECK_FALSE(fs::exists(path));
  }
  SECTION("another was at it a moment ago, and has made the next one") {
    before_lock = [&] {
      for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(path + suffix);
      FileTier next(path, {.busy_timeout = 30s});
      next.put("shop", name(1), value_of("new"));
    };
    static_cast<void>(tier.get("shop", name(1)));
    CHECK_FALSE(before_lock);
    REQUIRE(fs::exists(path));
    clock.advance(6s);
    CHECK(text_in(tier.get("shop", name(1))) == "new");
  }
}

TEST_CASE("file tier: what replaces it and is no tier is left alone", "[file tier]") {
  TempDir dir;
  FileTier tier(dir.file("tier"), {.busy_timeout = 30s});
  for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(dir.file("tier") + suffix);
  {
    SQLite::Database other(dir.file("tier"), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    other.exec("create table mine (x)");
  }
  fs::permissions(dir.file("tier"), fs::perms::owner_read | fs::perms::owner_write);
  CHECK(tier.put("shop", name(1), value_of("one")) == StoreStatus::failed);
  CHECK(text_in(tier.get("shop", name(1))) == "none");
  CHECK(number(dir.file("tier"), "select count(*) from sqlite_master") == 1);
}

TEST_CASE("file tier: what replaces it and is no database is left alone", "[file tier]") {
  TempDir dir;
  ManualClock clock;
  FileTier tier(dir.file("tier"), {.clock = &clock});
  for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(dir.file("tier") + suffix);
  const std::string text(10'000, 't');
  std::ofstream(dir.file("tier"), std::ios::binary) << text;
  fs::permissions(dir.file("tier"), fs::perms::owner_read | fs::perms::owner_write);
  for (int round = 0; round < 2; ++round) {
    clock.advance(6s);
    CHECK(tier.put("shop", name(1), value_of("one")) == StoreStatus::failed);
    CHECK(text_in(tier.get("shop", name(1))) == "none");
    CHECK_THROWS_AS(tier.newest(Epoch{1, 1}), Error);
    CHECK(tier.stats().entries == 0);
  }
  CHECK(fs::file_size(dir.file("tier")) == text.size());
}

TEST_CASE("file tier: it is made for its owner alone, whatever the umask", "[file tier]") {
  TempDir dir;
  const mode_t before = ::umask(0);
  FileTier tier(dir.file("tier"), {.busy_timeout = 30s});
  tier.put("shop", name(1), value_of("one"));
  ::umask(before);
  for (const char* suffix : {"", "-wal", "-shm"}) {
    CAPTURE(suffix);
    CHECK((fs::status(dir.file("tier") + suffix).permissions() & fs::perms::all) ==
          (fs::perms::owner_read | fs::perms::owner_write));
  }
}

TEST_CASE("file tier: a file that others own or may write is refused, and so are those beside it",
          "[file tier]") {
  TempDir dir;
  const std::string path = dir.file("tier");
  static_cast<void>(id_of(path));
  const std::string suffix = GENERATE("", "-wal", "-journal");
  const std::string file = path + suffix;
  if (!suffix.empty()) std::ofstream(file).flush();
  SECTION("by its group") {
    fs::permissions(file, fs::perms::group_write, fs::perm_options::add);
    CHECK_THAT(refusal<ConfigError>(path), Contains("chmod 600") && Contains(file));
  }
  SECTION("by everybody") {
    fs::permissions(file, fs::perms::others_write, fs::perm_options::add);
    CHECK_THAT(refusal<ConfigError>(path), Contains("chmod 600") && Contains(file));
  }
  SECTION("another owner") {
    if (::geteuid() != 0) return;  // only root can give files away
    REQUIRE(::chown(file.c_str(), 65534, 65534) == 0);
    CHECK_THAT(refusal<ConfigError>(path), Contains("another user") && Contains(file));
  }
  fs::permissions(file, fs::perms::owner_read | fs::perms::owner_write);
}

TEST_CASE("file tier: a counter of bytes that can't be right is counted anew", "[file tier]") {
  TempDir dir;
  const std::string path = dir.file("tier");
  FileTier tier(path, {.max_bytes = 400'000, .busy_timeout = 30s});
  const std::string body(2'000, 'x');
  for (int i = 0; i < 50; ++i) tier.put("shop", name(i), value_of(body));
  const auto counted = [&] {
    return number(path, "select bytes from querymark_tier_size") ==
           number(path, "select sum(bytes) from querymark_tier_entry");
  };
  REQUIRE(counted());
  SECTION("far too much: nothing is evicted for it") {
    execute(path, "update querymark_tier_size set bytes = 9000000000000000000");
    CHECK(tier.put("shop", name(100), value_of(body)) == StoreStatus::stored);
    CHECK(tier.stats().entries == 51);
  }
  SECTION("a little too much") {
    execute(path, "update querymark_tier_size set bytes = 500000");
    CHECK(tier.put("shop", name(100), value_of(body)) == StoreStatus::stored);
  }
  SECTION("more than there ever was, in a tier without entries") {
    FileTier small(dir.file("small"), {.max_bytes = 100'000, .busy_timeout = 30s});
    execute(dir.file("small"), "update querymark_tier_size set bytes = 150000");
    CHECK(small.put("shop", name(1), value_of(body)) == StoreStatus::stored);
    CHECK(small.put("shop", name(2), value_of(body)) == StoreStatus::stored);
    CHECK(text_in(small.get("shop", name(2))) == body);
    CHECK(small.stats().bytes < 5'000);
  }
  SECTION("negative") {
    execute(path, "update querymark_tier_size set bytes = -9000000000000000000");
    CHECK(tier.put("shop", name(100), value_of(body)) == StoreStatus::stored);
  }
  SECTION("missing") {
    execute(path, "delete from querymark_tier_size");
    CHECK(tier.put("shop", name(100), value_of(body)) == StoreStatus::stored);
  }
  SECTION("far too little: found when the file is opened") {
    FileTier large(dir.file("large"), {.busy_timeout = 30s});
    for (int i = 0; i < 500; ++i) large.put("shop", name(i), value_of(body));
    execute(dir.file("large"), "update querymark_tier_size set bytes = 10");
    const FileTier again(dir.file("large"), {.busy_timeout = 30s});
    CHECK(again.stats().bytes > 1'000'000);
  }
  CHECK(tier.stats().failures == 0);
  if (number(path, "select count(*) from querymark_tier_entry") > 0) CHECK(counted());
}

TEST_CASE("file tier: programs of schema 1 that run on and this one pass each other's values by",
          "[file tier]") {
  TempDir dir;
  const std::string path = dir.file("tier");
  std::ifstream file(QUERYMARK_TEST_DATA "/schema_1/file_tier_queries.sql");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const SqlFile old(text);
  sqlite::Connection connection(path, sqlite::Connection::Use::write,
                                {.write_ahead_log = true, .create = true});
  run_migrations(
      std::span<const Migration>(file_tier::sql::kMigrations).first(1),
      sqlite::migration_port(
          connection, {file_tier::sql::schema_present, file_tier::sql::schema_version}, path),
      false);
  const auto far = (system_clock().wall_now() + std::chrono::hours(1)).time_since_epoch().count();
  const auto put_old = [&](int i, std::uint64_t horizon, const std::string& value) {
    const Digest digest = name(i);
    const std::string epoch = Epoch{1, 1}.hex();
    const ParameterView values[] = {ParameterView::bytes(digest.view()),
                                    as_parameter("shop"),
                                    as_parameter(epoch),
                                    as_parameter(horizon),
                                    as_parameter(0),
                                    as_parameter(far),
                                    as_parameter(500),
                                    ParameterView::bytes(value)};
    const ParameterView one[] = {ParameterView::bytes(digest.view())};
    connection.execute(old.get("delete_name"), one);
    static_cast<void>(connection.query_writing(old.get("insert_entry"), values));
  };
  const auto get_old = [&](int i) {
    const Digest digest = name(i);
    const ParameterView values[] = {ParameterView::bytes(digest.view()), as_parameter(0)};
    return connection.query(old.get("get"), values).size();
  };
  put_old(1, 5, "of schema 1");
  FileTier tier(path, {.busy_timeout = 30s});
  CHECK(get_old(1) == 0);
  put_old(1, 50, "of schema 1, with a later stamp");
  CHECK(text_in(tier.get("shop", name(1))) == "none");
  CHECK_FALSE(tier.newest(Epoch{1, 1}));
  CHECK(tier.put("shop", name(1), value_of("now")) == StoreStatus::stored);
  CHECK(text_in(tier.get("shop", name(1))) == "now");
  CHECK(get_old(1) == 1);  // which it will not decode: another version
  CHECK(tier.stats().corrupt == 0);
  CHECK(tier.stats().failures == 0);
  for (const std::string& statement : old.names()) {
    CAPTURE(statement);
    CHECK_NOTHROW(sqlite::prepare_checked(connection.native(), old.get(statement)));
  }
}
