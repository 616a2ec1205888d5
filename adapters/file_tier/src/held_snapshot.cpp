#include "held_snapshot.hpp"

#include <sqlite3.h>

namespace querymark::file_tier {
namespace {

constexpr int kIndexBlock = 32 << 10;  // how SQLite maps the log's index
constexpr std::size_t kFrames = 4;     // the word of the header that counts the log's pages
constexpr std::uint32_t kMostFrames = 8192;

}  // namespace

void HeldSnapshot::find_index() {
  sqlite3* const database = connection_.native().getHandle();
  sqlite3_file* file = nullptr;
  if (sqlite3_file_control(database, "main", SQLITE_FCNTL_FILE_POINTER,
                           static_cast<void*>(&file)) != SQLITE_OK ||
      file == nullptr || file->pMethods == nullptr || file->pMethods->iVersion < 2 ||
      connection_.pragma("pragma journal_mode") != "wal")
    return;
  void volatile* mapped = nullptr;
  if (file->pMethods->xShmMap(file, 0, kIndexBlock, 0, &mapped) != SQLITE_OK) return;
  index_ = static_cast<std::uint32_t*>(const_cast<void*>(mapped));
}

// Written by any process at any time. One that is torn is none that was there at the beginning, or
// it is that one still. What comes after a load (acquire), the snapshot's beginning above all, is not
// done before it.
HeldSnapshot::Header HeldSnapshot::header() const noexcept {
  Header words{};
  for (std::size_t i = 0; i < kWords; ++i)
    words[i] = std::atomic_ref(index_[i]).load(std::memory_order_acquire);
  return words;
}

void HeldSnapshot::begin() {
  if (index_ == nullptr) find_index();
  if (index_ == nullptr) return;
  // Before the first read takes the snapshot: a commit between the two only ends it sooner.
  at_begin_ = header();
  if (at_begin_[kFrames] > kMostFrames) return;
  connection_.run_again("begin");
  held_ = true;
}

void HeldSnapshot::end() {
  if (!held_) return;
  connection_.run_again("commit");
  held_ = false;
}

}  // namespace querymark::file_tier
