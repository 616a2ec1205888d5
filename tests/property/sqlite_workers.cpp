#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "property/worker_world.hpp"
#include "querymark/sqlite/sqlite.hpp"
#include "support/rounds.hpp"
#include "support/temp_dir.hpp"

// The same worlds over the log in a SQLite file, whose clock is the world's: what its statements do is
// held against the same rules.

namespace {

using namespace querymark;
using test::WorkerTally;
using test::WorkerWorld;

/// While it lives, SQLite's clock is another one.
class SqliteClock {
 public:
  explicit SqliteClock(const Clock& clock) : real_(sqlite3_vfs_find(nullptr)), vfs_(*real_) {
    clock_ = &clock;
    vfs_.zName = "world";
    vfs_.xCurrentTimeInt64 = [](sqlite3_vfs* /*vfs*/, sqlite3_int64* now) {
      constexpr sqlite3_int64 kEpochInMilliseconds =
          210'866'760'000'000;  // of 1970, by Julian days
      *now = kEpochInMilliseconds + clock_->wall_now().time_since_epoch().count();
      return SQLITE_OK;
    };
    sqlite3_vfs_register(&vfs_, 1);
  }
  SqliteClock(const SqliteClock&) = delete;
  SqliteClock& operator=(const SqliteClock&) = delete;
  ~SqliteClock() {
    sqlite3_vfs_unregister(&vfs_);
    sqlite3_vfs_register(real_, 1);
  }

 private:
  static inline const Clock* clock_ = nullptr;
  sqlite3_vfs* real_;
  sqlite3_vfs vfs_;
};

/// A file with a log, for all namespaces.
struct SqliteFile {
  explicit SqliteFile(const Clock& by) : clock(by), path(folder.file("shop.db")) {
    sqlite::migrate(path);
    writer = std::make_unique<SQLite::Database>(path, SQLite::OPEN_READWRITE, 5000);
    writer->exec("pragma journal_mode = wal; pragma synchronous = off");
  }
  // As the restore of a file in which nothing had been written yet.
  void lose_log() const {
    const std::string keeper =
        writer->execAndGet("select sql from sqlite_schema where name = 'querymark_log_newest'")
            .getString();
    writer->exec("begin immediate; drop trigger querymark_log_newest; delete from querymark_log; " +
                 keeper + "; update querymark_meta set floor = 1; commit");
  }

  SqliteClock clock;
  test::TempDir folder{test::TempDir::Where::memory};
  std::string path;
  std::unique_ptr<SQLite::Database> writer;
};

class SqliteWorldLog final : public test::WorldLog {
 public:
  SqliteWorldLog(std::shared_ptr<SqliteFile> file, std::string name, const Clock& clock)
      : file_(std::move(file)), name_(std::move(name)), clock_(clock), log_(file_->path, name_) {}
  [[nodiscard]] test::LogPorts ports() override {
    return {log_, *claims_, *deliveries_, log_, *subscribers_, *pruning_};
  }
  std::vector<Position> write(std::span<const std::optional<Target>> rows) override {
    std::vector<Position> positions;
    SQLite::Transaction transaction(*file_->writer, SQLite::TransactionBehavior::IMMEDIATE);
    SQLite::Statement insert(
        *file_->writer,
        "insert into querymark_log (namespace, kind, target, write_id) values (?, ?, ?, ?)");
    const auto write_id = static_cast<std::int64_t>(++writes_);
    for (const auto& row : rows) {
      insert.reset();
      insert.bind(1, name_);
      insert.bind(2, std::string(row ? to_string(row->kind()) : "tag"));
      insert.bind(3, row ? row->text() : "%");
      insert.bind(4, write_id);
      insert.exec();
      positions.push_back({static_cast<std::uint64_t>(file_->writer->getLastInsertRowid())});
    }
    transaction.commit();
    return positions;
  }
  void lose_history() override {
    const Cursor before = log_.now();
    file_->lose_log();
    // Whoever looks next finds out.
    static_cast<void>(log_.read({.from = before, .upto = std::nullopt, .after = std::nullopt}));
  }
  [[nodiscard]] std::int64_t leases() override {
    return clock_.wall_now().time_since_epoch().count();
  }

 private:
  std::shared_ptr<SqliteFile> file_;
  std::string name_;
  const Clock& clock_;
  sqlite::Log log_;
  std::unique_ptr<LogClaims> claims_ = log_.claims();
  std::unique_ptr<Deliveries> deliveries_ = log_.deliveries();
  std::unique_ptr<Subscribers> subscribers_ = log_.subscribers();
  std::unique_ptr<Pruning> pruning_ = log_.pruning();
  std::uint64_t writes_ = 0;
};

test::WorldLogs in_a_file(ManualClock& clock) {
  const auto file = std::make_shared<SqliteFile>(clock);
  test::WorldLogs logs;
  for (const char* name : {"shop", "forum"})
    logs.push_back(std::make_unique<SqliteWorldLog>(file, name, clock));
  return logs;
}

}  // namespace

TEST_CASE("workers on SQLite: waits do not lie and all comes to an end", "[workers]") {
  WorkerTally tally;
  const std::uint64_t first = test::Choices::first_seed();
  for (std::uint64_t seed = first; seed < first + test::rounds(5); ++seed) {
    {
      WorkerWorld world(seed, in_a_file, {}, tally);
      world.run(200);
      if (tally.wrongs.count == 0) world.calm_down();
    }
    INFO("QUERYMARK_SEED=" << seed << ": " << tally.wrongs.first);
    REQUIRE(tally.wrongs.count == 0);
  }
  CHECK(tally.applied > 10);  // one world alone, under a sanitizer
}
