#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "drain.hpp"

namespace querymark::cli {

/// The drains of one process. For one thread.
class Fleet {
 public:
  /// `lines` must outlive it.
  explicit Fleet(const LogLines& lines) : lines_(lines) {}
  /// Asks all to stop, then waits for each.
  ~Fleet();

  /// Makes the drains those of `wanted`. One whose settings have changed ends and begins anew, one
  /// that is the same goes on. Opens all that is new before it ends anything, so when that throws,
  /// nothing has changed.
  void become(const std::vector<DrainSettings>& wanted);
  /// Of the drain that has been silent for the longest.
  [[nodiscard]] std::chrono::nanoseconds silent_for() const;
  [[nodiscard]] std::size_t size() const noexcept { return drains_.size(); }
  /// Rows that were applied, by those that run now.
  [[nodiscard]] std::uint64_t applied() const;

 private:
  const LogLines& lines_;
  std::vector<std::unique_ptr<Drain>> drains_;
};

}  // namespace querymark::cli
