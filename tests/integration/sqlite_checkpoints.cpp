// The write-ahead log stays within bounds, whoever reads.

#include "checkpoints.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <utility>

#include "connection.hpp"
#include "support/await.hpp"
#include "support/shop.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

std::uintmax_t log_bytes(const Shop& shop) {
  return std::filesystem::file_size(shop.path() + "-wal");
}

// A program of which some read is always under way: the next one begins before the last one ends.
class ConstantReader {
 public:
  explicit ConstantReader(const Shop& shop)
      : one_(shop.path(), SQLite::OPEN_READONLY, 5000),
        other_(shop.path(), SQLite::OPEN_READONLY, 5000) {
    current_->executeStep();
  }
  void go_on() {
    next_->executeStep();
    current_->reset();
    std::swap(current_, next_);
  }
  // As a busy handler: while somebody waits, reads go on.
  static int go_on_meanwhile(void* reader, int waited) {
    static_cast<ConstantReader*>(reader)->go_on();
    return waited < 100 ? 1 : 0;
  }

 private:
  SQLite::Database one_;
  SQLite::Database other_;
  SQLite::Statement first_{one_, "select id from product"};
  SQLite::Statement second_{other_, "select id from product"};
  SQLite::Statement* current_ = &first_;
  SQLite::Statement* next_ = &second_;
};

}  // namespace

TEST_CASE("sqlite: the write-ahead log stays bounded under readers that never pause", "[sqlite]") {
  const Shop shop;
  // Small pages: what counts is their number.
  shop.execute("pragma journal_mode = delete");
  shop.execute("pragma page_size = 512; vacuum; pragma journal_mode = wal");
  shop.execute("create table event (body)");
  constexpr int kPage = 512 + 24;
  constexpr int kPagesEach = 200;
  constexpr int kWrites = 500;
  sqlite::Connection writer(shop.path(), sqlite::Connection::Use::write,
                            {.synchronous_full = false});
  ConstantReader reader(shop);
  sqlite3_busy_handler(writer.native().getHandle(), &ConstantReader::go_on_meanwhile, &reader);
  std::uintmax_t largest = 0;
  for (int i = 0; i < kWrites; ++i) {
    writer.execute("replace into event (rowid, body) values (1, randomblob(102400))", {});
    reader.go_on();
    largest = std::max(largest, log_bytes(shop));
  }
  // Too long is four times due; all of it would be more than six times that.
  constexpr std::uintmax_t kTooLong = 4ULL * sqlite::Checkpoints::due(512) * kPage;
  static_assert(std::uintmax_t{kWrites} * kPagesEach * kPage > 6 * kTooLong);
  CHECK(largest > kTooLong);
  CHECK(largest < 2 * kTooLong);
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
  // The second write cuts it, or a later one where a poll was reading at that moment.
  await("the log is cut", 20s, [&, price = 0]() mutable {
    process.set_price(1, ++price);
    return log_bytes(shop) < 34'000'000;
  });
}
