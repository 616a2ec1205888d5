// A tier that is slow or locked holds up nobody.

#include <SQLiteCpp/SQLiteCpp.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <thread>

#include "querymark/file_tier/file_tier.hpp"
#include "querymark/tier/breaker.hpp"
#include "support/shop.hpp"
#include "support/temp_dir.hpp"
#include "support/tier_values.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

// Another process that has locked the file, until it is destroyed.
class Locked {
 public:
  Locked(const std::string& path, const std::string& how)
      : connection_(path, SQLite::OPEN_READWRITE, 5000) {
    connection_.exec(how);
  }
  void release() { connection_.exec("commit"); }

 private:
  SQLite::Database connection_;
};

}  // namespace

TEST_CASE("file tier: reads go on beside a write that waits for the file", "[file tier]") {
  TempDir dir;
  FileTier tier(dir.file("tier"), {.busy_timeout = 10s});
  tier.put("shop", name(1), value_of("one"));
  Locked writer(dir.file("tier"), "begin immediate");
  std::atomic<int> stored{0};
  const auto put = [&](int i) {
    return std::thread([&, i] {
      if (tier.put("shop", name(i), value_of("x")) == StoreStatus::stored) ++stored;
    });
  };
  std::thread one = put(2);
  std::thread other = put(3);
  // One of them waits for the file, the other does not wait for it.
  while (tier.stats().skipped == 0) std::this_thread::yield();
  int hits = 0;
  for (int i = 0; i < 500; ++i) hits += text_in(tier.get("shop", name(1))) == "one" ? 1 : 0;
  CHECK(hits == 500);
  CHECK(stored == 0);
  writer.release();
  one.join();
  other.join();
  CHECK(stored == 1);
}

TEST_CASE("file tier: one reader meets a file that fails, the others pass it by", "[file tier]") {
  TempDir dir;
  ManualClock clock;
  const std::string path = dir.file("tier");
  FileTier tier(path, {.clock = &clock});
  tier.put("shop", name(1), value_of("one"));
  const auto remove = [&] {
    for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path + suffix);
  };
  remove();
  std::filesystem::create_directory(path);  // a database of which nothing can be read
  for (int i = 0; i < 100; ++i) CHECK(text_in(tier.get("shop", name(1))) == "none");
  remove();
  CHECK(text_in(tier.get("shop", name(1))) == "none");
  CHECK(tier.put("shop", name(1), value_of("two")) == StoreStatus::stored);
  CHECK(text_in(tier.get("shop", name(1))) == "none");  // still in the pause
  CHECK(tier.stats().failures == 1);
  CHECK(tier.stats().skipped == 101);
  clock.advance(Breaker::kFirstPause);
  CHECK(text_in(tier.get("shop", name(1))) == "two");
}

TEST_CASE("file tier: callers pass a failing tier by until one of them finds it well again",
          "[file tier]") {
  TempDir dir;
  ManualClock clock;
  FileTier tier(dir.file("tier"), {.busy_timeout = 20ms, .clock = &clock});
  const auto put = [&](int i) { return tier.put("shop", name(i), value_of("x")); };
  REQUIRE(put(1) == StoreStatus::stored);
  const auto attempts = [&] { return tier.stats().failures; };
  {
    const Locked writer(dir.file("tier"), "begin immediate");
    CHECK(put(2) == StoreStatus::failed);
    CHECK(attempts() == 1);
    for (int i = 0; i < 100; ++i) CHECK(put(2) == StoreStatus::failed);
    CHECK(attempts() == 1);
    CHECK(tier.stats().skipped == 100);
    clock.advance(Breaker::kFirstPause);
    CHECK(put(2) == StoreStatus::failed);
    CHECK(put(2) == StoreStatus::failed);
    CHECK(attempts() == 2);
    clock.advance(Breaker::kFirstPause);  // the second pause is longer
    CHECK(put(2) == StoreStatus::failed);
    CHECK(attempts() == 2);
    CHECK(text_in(tier.get("shop", name(1))) == "x");  // reads have a breaker of their own
  }
  CHECK(put(2) == StoreStatus::failed);
  clock.advance(Breaker::kLongestPause);
  CHECK(put(2) == StoreStatus::stored);
  CHECK(put(3) == StoreStatus::stored);
}

TEST_CASE("breaker: of all who come in a pause nobody, after it one may try", "[breaker]") {
  ManualClock clock;
  Breaker breaker;
  CHECK(breaker.allows(clock.now()));
  breaker.failed(clock.now());
  breaker.failed(clock.now());  // who failed with it does not lengthen the pause
  CHECK_FALSE(breaker.allows(clock.now()));
  clock.advance(Breaker::kFirstPause);
  CHECK(breaker.allows(clock.now()));
  CHECK_FALSE(breaker.allows(clock.now()));
  breaker.failed(clock.now());
  clock.advance(Breaker::kFirstPause);
  CHECK_FALSE(breaker.allows(clock.now()));
  clock.advance(Breaker::kFirstPause);
  CHECK(breaker.allows(clock.now()));  // one that never reports: another one after the next pause
  clock.advance(Breaker::kLongestPause);
  CHECK(breaker.allows(clock.now()));
  breaker.succeeded();
  CHECK(breaker.allows(clock.now()));
  CHECK(breaker.allows(clock.now()));
}

TEST_CASE("breaker: the pause doubles up to its bound", "[breaker]") {
  ManualClock clock;
  Breaker breaker;
  breaker.failed(clock.now());
  std::chrono::milliseconds pause = Breaker::kFirstPause;
  for (int i = 0; i < 20; ++i) {
    CAPTURE(i);
    clock.advance(pause - 1ms);
    CHECK_FALSE(breaker.allows(clock.now()));
    clock.advance(1ms);
    CHECK(breaker.allows(clock.now()));
    pause = std::min(pause * 2, Breaker::kLongestPause);
  }
}
