#include "checkpoints.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <string>

#include "connection.hpp"

namespace querymark::sqlite {

Checkpoints::Checkpoints(Connection& connection)
    : connection_(connection), due_(due(std::stoi(connection.pragma("pragma page_size")))) {
  sqlite3_wal_hook(connection.native().getHandle(), &Checkpoints::after_commit, this);
}

// The commit has happened, and its locks are given back.
int Checkpoints::after_commit(void* self, sqlite3* database, const char* schema, int pages) {
  static_cast<Checkpoints*>(self)->look(database, schema, pages);
  return SQLITE_OK;  // a checkpoint that failed is tried again, and is no failure of the commit
}

void Checkpoints::look(sqlite3* database, const char* schema, int pages) noexcept {
  if (pages < last_) {
    next_ = due_;
    wait_ = std::max(wait_ / 2, kFirstWait);
  }
  last_ = pages;
  if (pages < next_) return;
  const int too_long = 4 * due_;
  if (pages < too_long) {
    next_ = pages + due_ / 8;
    sqlite3_wal_checkpoint_v2(database, schema, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
    return;
  }
  next_ = pages + due_;
  const auto patience = connection_.busy_timeout();
  connection_.set_busy_timeout(std::min(wait_, patience));
  sqlite3_wal_checkpoint_v2(database, schema, SQLITE_CHECKPOINT_RESTART, nullptr, nullptr);
  connection_.set_busy_timeout(patience);
  wait_ = std::min(2 * wait_, kLongestWait);
}

}  // namespace querymark::sqlite
