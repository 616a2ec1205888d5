#pragma once

#include <algorithm>
#include <chrono>

struct sqlite3;

namespace querymark::sqlite {

class Connection;

/// When the write-ahead log of a connection that writes goes back into the database, in place of
/// SQLite's automatic checkpoints. Those never wait; so while there is always some reader, none
/// gets to the end of the log, it is never begun again, and grows without bound.
///
/// States, by the pages that are in the log after a commit:
///   short      nothing is done
///   due        tries without waiting, again whenever the log has grown by an eighth of that
///   too long   waits for the readers of before to end, with the write lock held so that no reader
///              comes to need more of the log; not for long at first, and longer each time that it
///              was in vain
/// The log is short again when the writer after a complete checkpoint begins it anew; then its file
/// is cut to kKeptBytes.
class Checkpoints {
 public:
  /// Both must live as long as the connection writes.
  explicit Checkpoints(Connection& connection);
  Checkpoints(const Checkpoints&) = delete;
  Checkpoints& operator=(const Checkpoints&) = delete;

  /// What the file of the log keeps when it is begun anew: more than a log takes that never gets
  /// too long, so that it need not be allocated again and again.
  static constexpr long long kKeptBytes = 32LL << 20;

  /// From how many pages on a checkpoint is due. Each intent adds two pages to a write of one, so
  /// SQLite's 1000 would sync that much more often. At most as many as the first block of the log's
  /// index holds: reads look no further than before. At most 16 MiB of larger pages.
  [[nodiscard]] static constexpr int due(int page_bytes) noexcept {
    constexpr int kMostPages = 4000;
    constexpr int kMostBytes = 16 << 20;
    return std::min(kMostPages, kMostBytes / std::max(page_bytes, 1));
  }

 private:
  static int after_commit(void* self, sqlite3* database, const char* schema, int pages);
  void look(sqlite3* database, const char* schema, int pages) noexcept;

  static constexpr std::chrono::milliseconds kFirstWait{10};
  static constexpr std::chrono::milliseconds kLongestWait{250};

  Connection& connection_;
  int due_;
  int last_ = 0;
  int next_ = due_;
  std::chrono::milliseconds wait_ = kFirstWait;
};

}  // namespace querymark::sqlite
