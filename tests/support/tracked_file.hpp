#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <set>
#include <string>
#include <vector>

#include "querymark/key/tracked.hpp"
#include "querymark/sqlite/migrate.hpp"
#include "querymark/sqlite/track.hpp"
#include "support/temp_dir.hpp"

namespace querymark::test {

/// A SQLite file whose tables are tracked, and a writer that knows nothing of querymark.
class TrackedFile {
 public:
  explicit TrackedFile(const std::string& schema = "")
      : path_((sqlite::migrate(dir_.file("a.db")), dir_.file("a.db"))),
        writer_(path_, SQLite::OPEN_READWRITE, 5000) {
    writer_.exec("pragma journal_mode = wal");
    writer_.exec("pragma synchronous = off");
    writer_.exec(schema);
  }

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] SQLite::Database& writer() noexcept { return writer_; }
  void execute(const std::string& sql) { writer_.exec(sql); }
  /// Runs what may fail; whether it has.
  bool fails(const std::string& sql) { return writer_.tryExec(sql) != 0; }

  TrackReport track(std::vector<std::string> tables,
                    std::vector<std::vector<std::string>> routes = {}) const {
    return sqlite::track(path_, {.tables = std::move(tables), .routes = std::move(routes)});
  }

  /// What the log says since the last look: "rows main:product:id:7", each once.
  [[nodiscard]] std::set<std::string> reported() {
    std::set<std::string> rows;
    SQLite::Statement statement(
        writer_,
        "select id, kind || ' ' || target from querymark_log "
        "where namespace = '*' and kind <> 'schema' and id > ? order by id");
    statement.bind(1, seen_);
    while (statement.executeStep()) {
      seen_ = statement.getColumn(0).getInt64();
      rows.insert(statement.getColumn(1).getString());
    }
    return rows;
  }
  [[nodiscard]] std::set<std::string> reported(const std::string& sql) {
    static_cast<void>(reported());
    execute(sql);
    return reported();
  }
  /// What these reports invalidate, as consumers read them; a flush where one can't be read.
  [[nodiscard]] std::set<std::string> invalidated() {
    std::set<std::string> targets;
    for (const std::string& row : reported()) {
      const std::size_t space = row.find(' ');
      const auto read = targets_in_log(row.substr(0, space), row.substr(space + 1));
      if (!read) targets.insert("flush");
      if (read)
        for (const Target& target : *read) targets.insert(target.text());
    }
    return targets;
  }

 private:
  TempDir dir_{TempDir::Where::memory};
  std::string path_;
  SQLite::Database writer_;
  std::int64_t seen_ = 0;
};

}  // namespace querymark::test
