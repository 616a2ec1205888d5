#include <string>
#include <string_view>

#include "querymark/observe/metrics.hpp"
#include "querymark/read/offload.hpp"

// What an offload counts, and what it shows of its tasks.

namespace querymark {
namespace {

constexpr std::size_t kMostKinds = 32;
constexpr std::string_view kOther = "(other)";

void add(OffloadStats& sum, const OffloadStats& more) {
  sum.accepted += more.accepted;
  sum.duplicates += more.duplicates;
  sum.rejected += more.rejected;
  sum.completed += more.completed;
  sum.failed += more.failed;
  sum.cancelled += more.cancelled;
  sum.late += more.late;
}

}  // namespace

std::string_view to_string(Offloaded offloaded) noexcept {
  switch (offloaded) {
    case Offloaded::accepted:
      return "accepted";
    case Offloaded::duplicate:
      return "one of the same key waits or runs";
    case Offloaded::full:
      return "the queue is full";
    case Offloaded::stopped:
      return "stopped";
    case Offloaded::disabled:
      return "disabled";
  }
  return "unknown";
}

OffloadStats& Offload::counts(std::string_view kind) {
  if (const auto known = counts_.find(kind); known != counts_.end()) return known->second;
  if (counts_.size() >= kMostKinds) kind = kOther;
  return counts_.try_emplace(std::string(kind)).first->second;
}

OffloadEntry Offload::entry_of(const Task& task, bool running) {
  return {
      .kind = task.kind, .key = task.key, .running = running, .since = Clock::now() - task.since};
}

std::vector<OffloadEntry> Offload::listed() const {
  std::vector<OffloadEntry> all;
  for (const Task& task : running_) all.push_back(entry_of(task, true));
  for (const Task& task : waiting_) all.push_back(entry_of(task, false));
  return all;
}

std::vector<OffloadEntry> Offload::tasks() const {
  const MutexLock lock(mutex_);
  return listed();
}

OffloadStats Offload::stats() const {
  const MutexLock lock(mutex_);
  OffloadStats sum;
  for (const auto& [kind, counted] : counts_) add(sum, counted);
  sum.waiting = waiting_.size();
  sum.running = running_.size();
  return sum;
}

std::map<std::string, OffloadStats> Offload::stats_by_kind() const {
  const MutexLock lock(mutex_);
  std::map<std::string, OffloadStats> all(counts_.begin(), counts_.end());
  const auto of = [&](const Task& task) -> OffloadStats& {
    const auto known = all.find(task.kind);
    return known != all.end() ? known->second : all[std::string(kOther)];
  };
  for (const Task& task : waiting_) ++of(task).waiting;
  for (const Task& task : running_) ++of(task).running;
  return all;
}

void Offload::add_metrics(Metrics& metrics) const {
  for (const auto& [kind, stats] : stats_by_kind()) metrics.add(stats, {{"kind", kind}});
}

}  // namespace querymark
