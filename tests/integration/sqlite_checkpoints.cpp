// The write-ahead log stays within bounds, whoever reads.

#include "checkpoints.hpp"

#include <SQLiteCpp/SQLiteCpp.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <thread>

#include "support/shop.hpp"

using namespace querymark;
using namespace querymark::test;

namespace {

std::uintmax_t log_bytes(const Shop& shop) {
  return std::filesystem::file_size(shop.path() + "-wal");
}

// Reads one long query after the other: two of them leave no moment without a reader.
class BusyReader {
 public:
  explicit BusyReader(const Shop& shop) : thread_([this, path = shop.path()] { read(path); }) {
    begun_.wait(false);
  }
  BusyReader(const BusyReader&) = delete;
  BusyReader& operator=(const BusyReader&) = delete;
  ~BusyReader() {
    stop_.store(true);
    thread_.join();
  }

 private:
  void read(const std::string& path) {
    SQLite::Database connection(path, SQLite::OPEN_READONLY, 5000);
    SQLite::Statement query(connection,
                            "with recursive n (i) as (select 1 union all select i + 1 from n where "
                            "i < 30000) select count(*) from n, product");
    while (!stop_.load()) {
      query.executeStep();
      query.reset();
      begun_.store(true);
      begun_.notify_one();
    }
  }

  std::atomic<bool> stop_{false};
  std::atomic<bool> begun_{false};
  std::thread thread_;
};

}  // namespace

TEST_CASE("sqlite: the write-ahead log stays bounded under readers that never pause", "[sqlite]") {
  const Shop shop;
  // Small pages: what counts is their number.
  shop.execute("pragma journal_mode = delete");
  shop.execute("pragma page_size = 512; vacuum; pragma journal_mode = wal");
  shop.execute("create table event (body)");
  constexpr std::uintmax_t kPage = 512 + 24;
  constexpr int kPagesEach = 200;
  constexpr int kWrites = 800;
  Process process(shop);
  const BusyReader one(shop);
  const BusyReader other(shop);
  std::uintmax_t largest = 0;
  for (int i = 0; i < kWrites; ++i) {
    process.db.write([](sqlite::Transaction& tx) {
      tx.execute("delete from event");
      tx.execute("insert into event values (zeroblob(?))", kPagesEach * 512);
    });
    largest = std::max(largest, log_bytes(shop));
  }
  // What all of it would take is twice as much and more.
  CHECK(largest < kWrites * kPagesEach * kPage / 2);
}

TEST_CASE("sqlite: checkpoints are due by pages, or by bytes where pages are large", "[sqlite]") {
  CHECK(sqlite::Checkpoints::due(512) == 4000);
  CHECK(sqlite::Checkpoints::due(4096) == 4000);
  CHECK(sqlite::Checkpoints::due(65536) == 256);
}

TEST_CASE("sqlite: a write-ahead log that was long once is cut", "[sqlite]") {
  const Shop shop;
  shop.execute("create table event (body)");
  Process process(shop);
  process.db.write(
      [](sqlite::Transaction& tx) { tx.execute("insert into event values (zeroblob(48000000))"); });
  REQUIRE(log_bytes(shop) > 48'000'000);
  for (int i = 0; i < 2; ++i) process.set_price(1, i);
  CHECK(log_bytes(shop) < 34'000'000);
}
