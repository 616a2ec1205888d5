#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <thread>

#include "querymark/support/clock.hpp"
#include "querymark/support/mutex.hpp"
#include "tier_file.hpp"

namespace querymark::file_tier {

/// A connection that reads.
struct Reader {
  Mutex mutex;
  std::unique_ptr<TierConnection> connection QUERYMARK_GUARDED_BY(mutex);
  MonotonicTime looked QUERYMARK_GUARDED_BY(mutex){};  ///< Where the path leads.
  MonotonicTime last QUERYMARK_GUARDED_BY(mutex){};    ///< When the last read began.
  std::atomic<std::int64_t> since{0};  ///< When the call that runs began; zero: none does.
  /// Whether it may hold a snapshot, and whether that was long enough.
  enum class Hold : std::uint8_t { none, held, long_enough };
  std::atomic<Hold> hold{Hold::none};
};

/// The readers of a tier, each with a connection of its own, and the thread that sees to it that the
/// snapshots they hold end:
///
///   none held    the thread sleeps; before the first one there is none
///   some held    at each round, kRound apart, it marks those that are new as held long enough, and
///                ends those that it has marked a round ago: nobody reads there any more. Whoever
///                does reads on in a new one (so the thread stays out of the way of busy readers)
///
/// From a call of `held` until the thread begins its round `armed_` is up. The thread takes a
/// reader's mutex by trying, and with `mutex_` free.
class Readers {
 public:
  static constexpr std::size_t kReaders = 16;
  static constexpr std::chrono::milliseconds kRound{5};

  Readers() = default;
  Readers(const Readers&) = delete;
  Readers& operator=(const Readers&) = delete;
  ~Readers();

  [[nodiscard]] Reader& operator[](std::size_t number) noexcept { return readers_[number]; }
  /// After a snapshot has been begun and `hold` tells so: from now on it ends by itself. False where
  /// there can be no thread: then the caller ends it.
  [[nodiscard]] bool held() noexcept;

 private:
  void run();
  /// Whether none is held any more.
  bool end_held() noexcept;

  std::array<Reader, kReaders> readers_;
  std::atomic<bool> armed_{false};
  Mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ QUERYMARK_GUARDED_BY(mutex_) = false;
  std::jthread thread_ QUERYMARK_GUARDED_BY(mutex_);
};

}  // namespace querymark::file_tier
