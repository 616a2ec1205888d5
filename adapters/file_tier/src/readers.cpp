#include "readers.hpp"

#include <exception>
#include <utility>

#include "querymark/support/thread.hpp"

namespace querymark::file_tier {

Readers::~Readers() {
  std::jthread thread;
  {
    const MutexLock lock(mutex_);
    stopped_ = true;
    thread = std::move(thread_);
  }
  changed_.notify_all();  // and joins
}

bool Readers::held() noexcept {
  if (armed_.load() || armed_.exchange(true)) return true;
  try {
    const MutexLock lock(mutex_);
    if (!thread_.joinable()) thread_ = start_thread([this] { run(); });
  } catch (const std::exception&) {
    armed_.store(false);
    return false;
  }
  changed_.notify_all();
  return true;
}

void Readers::run() {
  for (;;) {
    {
      MutexLock lock(mutex_);
      changed_.wait(lock.native(),
                    [this]() QUERYMARK_REQUIRES(mutex_) { return stopped_ || armed_.load(); });
      if (changed_.wait_for(lock.native(), kRound,
                            [this]() QUERYMARK_REQUIRES(mutex_) { return stopped_; }))
        return;
    }
    armed_.store(false);
    if (!end_held()) armed_.store(true);
  }
}

bool Readers::end_held() noexcept {
  bool none = true;
  for (Reader& reader : readers_) {
    Reader::Hold held = Reader::Hold::held;
    if (reader.hold.compare_exchange_strong(held, Reader::Hold::long_enough)) {
      none = false;
      continue;
    }
    if (held == Reader::Hold::none) continue;
    if (!reader.mutex.try_lock()) {
      none = false;
      continue;
    }
    const MutexLock lock(reader.mutex, std::adopt_lock);
    try {
      if (reader.connection) reader.connection->snapshot().end();
    } catch (const std::exception&) {
      reader.connection.reset();  // ends it, too
    }
    reader.hold.store(Reader::Hold::none);
  }
  return none;
}

}  // namespace querymark::file_tier
