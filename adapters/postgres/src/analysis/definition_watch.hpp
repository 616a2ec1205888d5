#pragma once

#include <chrono>
#include <functional>
#include <stop_token>
#include <string>
#include <thread>

#include "querymark/support/mutex.hpp"

namespace querymark::postgres {

/// Looks again and again at what tells of changed definitions, since that may end without a word: an event trigger
/// that is disabled reports nothing, not even that. What changes between two looks counts as a change of
/// all definitions, and so does what can't be looked at for `kPatience` looks.
///
/// Thread-safe. `last_` is of `begin` until the thread runs, and then of the thread alone.
class DefinitionWatch {
 public:
  static constexpr int kPatience = 3;
  struct Ways {
    /// What it finds, in a text that is equal only as long as nothing has changed. Blocks; throws.
    std::function<std::string()> look;
    std::function<void()> changed;  ///< Must not throw.
  };
  DefinitionWatch(std::chrono::nanoseconds pause, Ways ways)
      : pause_(pause), ways_(std::move(ways)) {}
  DefinitionWatch(const DefinitionWatch&) = delete;
  DefinitionWatch& operator=(const DefinitionWatch&) = delete;
  /// Blocks for the look that is under way.
  ~DefinitionWatch() = default;

  /// From now on, it looks. Returns after the first look: what is found out of definitions after that is watched.
  /// Throws what the look throws; then it has not begun.
  void begin();

 private:
  void run(const std::stop_token& stop);

  const std::chrono::nanoseconds pause_;
  const Ways ways_;
  std::string last_;
  Mutex mutex_;
  std::jthread thread_ QUERYMARK_GUARDED_BY(mutex_);
};

}  // namespace querymark::postgres
