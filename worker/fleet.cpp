#include "fleet.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace querymark::cli {

Fleet::~Fleet() {
  Drains all;
  {
    const MutexLock lock(mutex_);
    all.swap(drains_);
  }
  for (const auto& drain : all) drain->request_stop();
}

Fleet::Drains Fleet::open(const std::vector<DrainSettings>& wanted) const {
  std::vector<DrainSettings> running;
  {
    const MutexLock lock(mutex_);
    for (const auto& drain : drains_) running.push_back(drain->settings());
  }
  Drains opened;
  for (const DrainSettings& settings : wanted)
    if (std::ranges::find(running, settings) == running.end())
      opened.push_back(std::make_unique<Drain>(settings, lines_, watched_));
  return opened;
}

void Fleet::become(const std::vector<DrainSettings>& wanted, Drains opened) {
  Drains gone;
  {
    const MutexLock lock(mutex_);
    const auto goes = std::ranges::partition(drains_, [&](const auto& drain) {
      return std::ranges::find(wanted, drain->settings()) != wanted.end();
    });
    std::ranges::move(goes, std::back_inserter(gone));
    drains_.erase(goes.begin(), goes.end());
  }
  for (const auto& drain : gone) drain->request_stop();
  gone.clear();  // who follows on the same target finds the lease free
  for (const auto& drain : opened) drain->start();
  const MutexLock lock(mutex_);
  std::ranges::move(opened, std::back_inserter(drains_));
}

std::chrono::nanoseconds Fleet::silent_for() const {
  const MutexLock lock(mutex_);
  std::chrono::nanoseconds longest{0};
  for (const auto& drain : drains_) longest = std::max(longest, drain->silent_for());
  return longest;
}

std::size_t Fleet::size() const {
  const MutexLock lock(mutex_);
  return drains_.size();
}

std::uint64_t Fleet::applied() const {
  const MutexLock lock(mutex_);
  std::uint64_t sum = 0;
  for (const auto& drain : drains_) sum += drain->stats().applied;
  return sum;
}

// Of several databases that have the same namespace and the same target, one that does not answer would
// hide behind one that does.
std::string Fleet::prometheus() const {
  Metrics metrics;
  {
    const MutexLock lock(mutex_);
    for (const auto& drain : drains_) {
      MetricLabels labels = drain->labels();
      const auto alike =
          std::ranges::count(drains_, labels, [](const auto& one) { return one->labels(); });
      if (alike > 1) labels.push_back({"database", drain->database()});
      drain->add_metrics(metrics, labels);
    }
  }
  return metrics.prometheus();
}

std::string Fleet::illness() const {
  const MutexLock lock(mutex_);
  if (drains_.empty()) return "nothing is drained: the worker starts, or changes its drains";
  for (const auto& drain : drains_)
    if (std::string illness = drain->illness(); !illness.empty()) return illness;
  return {};
}

}  // namespace querymark::cli
