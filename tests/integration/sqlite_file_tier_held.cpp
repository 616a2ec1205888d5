// Reads that follow each other share a snapshot: nobody may notice.

#include <SQLiteCpp/SQLiteCpp.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <thread>
#include <vector>

#include "querymark/file_tier/file_tier.hpp"
#include "support/await.hpp"
#include "support/shop.hpp"
#include "support/temp_dir.hpp"
#include "support/tier_values.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

SharedValue version(int i) {
  return value_of(std::to_string(i), Epoch{1, 1}, static_cast<std::uint64_t>(i), tag("a"));
}

// On a clock that stands still all reads are soon after each other.
void read_often(FileTier& tier) {
  for (int i = 0; i < 3; ++i) CHECK(text_in(tier.get("shop", name(1))) != "none");
}

// Whether everything in the log can be brought back into the file, and the log begun anew.
bool can_truncate(SQLite::Database& connection) {
  return connection.execAndGet("pragma wal_checkpoint(truncate)").getInt() == 0;
}

}  // namespace

TEST_CASE("file tier: a reader that is busy sees what others have committed", "[file tier]") {
  TempDir dir;
  ManualClock clock;
  FileTier reader(dir.file("tier"), {.clock = &clock});
  FileTier writer(dir.file("tier"), {.busy_timeout = 30s});
  for (int i = 1; i <= 200; ++i) {
    REQUIRE(writer.put("shop", name(1), version(i)) == StoreStatus::stored);
    REQUIRE(text_in(reader.get("shop", name(1))) == std::to_string(i));
    REQUIRE(text_in(reader.get("shop", name(1))) == std::to_string(i));
  }
  const Digest gone = name(1);
  REQUIRE(writer.remove("shop", {&gone, 1}) == 1);
  CHECK(text_in(reader.get("shop", name(1))) == "none");
}

TEST_CASE("file tier: the first commits to a new log are seen, too", "[file tier]") {
  TempDir dir;
  ManualClock clock;
  FileTier reader(dir.file("tier"), {.clock = &clock});
  FileTier writer(dir.file("tier"), {.busy_timeout = 30s});
  SQLite::Database other(dir.file("tier"), SQLite::OPEN_READWRITE, 5000);
  for (int i = 1; i <= 20; ++i) {
    REQUIRE(writer.put("shop", name(1), version(i)) == StoreStatus::stored);
    REQUIRE(text_in(reader.get("shop", name(1))) == std::to_string(i));
    if (i % 3 == 0) other.execAndGet("pragma wal_checkpoint(truncate)");
    REQUIRE(text_in(reader.get("shop", name(1))) == std::to_string(i));
  }
}

TEST_CASE("file tier: who stops reading holds up no checkpoint", "[file tier]") {
  TempDir dir;
  ManualClock clock;
  FileTier tier(dir.file("tier"), {.clock = &clock});
  tier.put("shop", name(1), version(1));
  read_often(tier);
  tier.put("shop", name(1), version(2));
  SQLite::Database other(dir.file("tier"), SQLite::OPEN_READWRITE, 0);
  await("a truncated log", 60s, [&] { return can_truncate(other); });
}

TEST_CASE("file tier: many names are read in one snapshot, which ends as well", "[file tier]") {
  TempDir dir;
  FileTier tier(dir.file("tier"), {.busy_timeout = 30s});
  tier.put("shop", name(1), version(1));
  tier.put("shop", name(2), version(2));
  std::vector<TierRead> wanted{{.name = name(1)}, {.name = name(2)}, {.name = name(3)}};
  CHECK(!tier.read("shop", wanted));
  CHECK(text_in(wanted[0].value) == "1");
  CHECK(text_in(wanted[1].value) == "2");
  CHECK(!wanted[2].value);
  tier.put("shop", name(1), version(3));
  SQLite::Database other(dir.file("tier"), SQLite::OPEN_READWRITE, 0);
  await("a truncated log", 60s, [&] { return can_truncate(other); });
}

TEST_CASE("file tier: readers that never pause let the log be begun anew", "[file tier]") {
  TempDir dir;
  FileTier tier(dir.file("tier"), {.busy_timeout = 30s});
  tier.put("shop", name(1), version(1));
  std::atomic<bool> stop{false};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i)
    readers.emplace_back([&] {
      while (!stop) static_cast<void>(tier.get("shop", name(1)));
    });
  SQLite::Database other(dir.file("tier"), SQLite::OPEN_READWRITE, 100);
  for (int i = 2; i < 10; ++i) {
    CHECK(tier.put("shop", name(1), version(i)) == StoreStatus::stored);
    await("a truncated log", 60s, [&] { return can_truncate(other); });
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
}

TEST_CASE("file tier: of a log that is long already no snapshot is held", "[file tier]") {
  TempDir dir;
  ManualClock clock;
  FileTier tier(dir.file("tier"), {.clock = &clock});
  tier.put("shop", name(1), version(1));
  SQLite::Database old(dir.file("tier"), SQLite::OPEN_READWRITE, 0);
  old.exec("begin");  // so that the log goes on
  CHECK(old.execAndGet("select count(*) from sqlite_schema").getInt() > 0);
  const std::string large(1U << 20U, 'x');
  for (int i = 0; i < 40; ++i)
    REQUIRE(tier.put("shop", name(100 + i), value_of(large, Epoch{1, 1}, 1, tag("a"))) ==
            StoreStatus::stored);
  old.exec("commit");
  read_often(tier);
  SQLite::Database other(dir.file("tier"), SQLite::OPEN_READWRITE, 0);
  CHECK(can_truncate(other));
}

TEST_CASE("file tier: a busy reader follows a replaced file a millisecond later", "[file tier]") {
  TempDir dir;
  ManualClock clock;
  FileTier tier(dir.file("tier"), {.clock = &clock});
  tier.put("shop", name(1), version(1));
  read_often(tier);
  for (const char* suffix : {"", "-wal", "-shm"})
    std::filesystem::remove(dir.file("tier") + suffix);
  clock.advance(1ms);
  CHECK(text_in(tier.get("shop", name(1))) == "none");
  CHECK(tier.put("shop", name(1), version(2)) == StoreStatus::stored);
  CHECK(text_in(tier.get("shop", name(1))) == "2");
  CHECK(tier.stats().replaced == 1);
}

TEST_CASE("file tier: readers of one process go on at once", "[file tier]") {
  TempDir dir;
  FileTier tier(dir.file("tier"), {.busy_timeout = 30s});
  for (int i = 0; i < 100; ++i) tier.put("shop", name(i), version(i));
  std::atomic<int> hits{0};
  std::vector<std::thread> threads;
  constexpr int kThreads = 8;
  constexpr int kReads = 2000;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < kReads; ++i)
        if (text_in(tier.get("shop", name(i % 100))) == std::to_string(i % 100)) ++hits;
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(hits == kThreads * kReads);
  CHECK(tier.stats().skipped == 0);
}
