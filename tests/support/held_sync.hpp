#pragma once

#include <sqlite3.h>

#include <condition_variable>
#include <mutex>

namespace querymark::test {

/// A file system of SQLite's, by the name `held`, that writes as any other, but does not return from
/// bringing a write-ahead log to the disk before `let_go`: as a disk that takes its time. One at a time.
class HeldSync {
 public:
  HeldSync() {
    real_ = sqlite3_vfs_find(nullptr);
    vfs_ = *real_;
    vfs_.zName = kName;
    vfs_.pNext = nullptr;
    vfs_.xOpen = open;
    the_one_ = this;
    sqlite3_vfs_register(&vfs_, 0);
  }
  HeldSync(const HeldSync&) = delete;
  HeldSync& operator=(const HeldSync&) = delete;
  /// No connection may be open through it any more.
  ~HeldSync() { sqlite3_vfs_unregister(&vfs_); }

  static constexpr const char* kName = "held";

  /// Returns once somebody is held.
  void await_held() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return held_; });
  }
  /// From now on nobody is.
  void let_go() {
    const std::scoped_lock lock(mutex_);
    gone_ = true;
    changed_.notify_all();
  }

 private:
  static int open(sqlite3_vfs* /*vfs*/, sqlite3_filename name, sqlite3_file* file, int flags,
                  int* got) {
    const int code = the_one_->real_->xOpen(the_one_->real_, name, file, flags, got);
    if (code != SQLITE_OK || (flags & SQLITE_OPEN_WAL) == 0) return code;
    // Methods are looked up at each call, so another table is all it takes.
    the_one_->sync_ = file->pMethods->xSync;
    the_one_->methods_ = *file->pMethods;
    the_one_->methods_.xSync = sync;
    file->pMethods = &the_one_->methods_;
    return code;
  }
  static int sync(sqlite3_file* file, int flags) {
    std::unique_lock lock(the_one_->mutex_);
    the_one_->held_ = true;
    the_one_->changed_.notify_all();
    the_one_->changed_.wait(lock, [] { return the_one_->gone_; });
    return the_one_->sync_(file, flags);
  }

  inline static HeldSync* the_one_ = nullptr;

  sqlite3_vfs* real_ = nullptr;
  sqlite3_vfs vfs_{};
  sqlite3_io_methods methods_{};
  int (*sync_)(sqlite3_file*, int) = nullptr;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = false;
  bool gone_ = false;
};

}  // namespace querymark::test
