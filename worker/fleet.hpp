#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "drain.hpp"
#include "querymark/observe/metrics.hpp"
#include "querymark/support/mutex.hpp"

namespace querymark::cli {

/// The drains of one process. `open` and `become` are for one thread; the rest may be asked from any, and
/// answers at once.
class Fleet {
 public:
  /// `lines` must outlive it.
  explicit Fleet(const LogLines& lines, Watched watched = Watched::no)
      : lines_(lines), watched_(watched) {}
  /// Asks all to stop, then waits for each.
  ~Fleet();

  using Drains = std::vector<std::unique_ptr<Drain>>;

  /// Opens what is new of `wanted`. When that throws, or the program ends meanwhile, nothing has changed.
  [[nodiscard]] Drains open(const std::vector<DrainSettings>& wanted) const;
  /// Makes the drains those of `wanted`, of which the new ones are `opened`. One whose settings have
  /// changed ends before it begins anew, one that is the same goes on.
  void become(const std::vector<DrainSettings>& wanted, Drains opened);
  /// Of the drain that has been silent for the longest.
  [[nodiscard]] std::chrono::nanoseconds silent_for() const;
  [[nodiscard]] std::size_t size() const;
  /// Rows that were applied, by those that run now.
  [[nodiscard]] std::uint64_t applied() const;
  /// What all have counted, as Prometheus reads it.
  [[nodiscard]] std::string prometheus() const;
  /// What hinders the first of those that something hinders, in a line; empty: nothing.
  [[nodiscard]] std::string illness() const;

 private:
  const LogLines& lines_;
  const Watched watched_;
  mutable Mutex mutex_;  // held for moments: nothing is opened, begun or ended under it
  Drains drains_ QUERYMARK_GUARDED_BY(mutex_);
};

}  // namespace querymark::cli
