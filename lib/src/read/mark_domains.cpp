#include "querymark/read/mark_domains.hpp"

#include <algorithm>
#include <string>

#include "querymark/mark/marks.hpp"
#include "querymark/support/error.hpp"

namespace querymark {
namespace {

// 16 KiB: 100 targets invalidated in an entry's life kill one unrelated entry in a hundred.
constexpr std::size_t kLeastCells = 1024;

}  // namespace

std::size_t MarkDomains::bytes_locked() const {
  std::size_t taken = 0;
  for (const auto& [domain, marks] : marks_) taken += marks->bytes();
  return taken;
}

std::size_t MarkDomains::cells(std::size_t asked) const {
  const std::size_t half = memory_bytes_ / 2;
  const SharedLock lock(mutex_);
  const std::size_t taken = bytes_locked();
  const std::size_t left = half - std::min(taken, half);
  if (asked != 0) {
    if (asked > std::max(left / MarkTable::kCellBytes, kLeastCells))
      throw ConfigError("mark tables of " + std::to_string(asked) + " cells of " +
                        std::to_string(MarkTable::kCellBytes) + " bytes, and of " +
                        std::to_string(taken) +
                        " bytes before them, would take more than half of memory_bytes = " +
                        std::to_string(memory_bytes_) + "; raise it, or lower mark_cells");
    return asked;
  }
  // A small table costs false invalidations, none costs the database: whoever comes late gets a
  // little, and the entries have what is left.
  const std::size_t share = marks_.empty() ? left / 2 : left / 4;
  return std::clamp(share / MarkTable::kCellBytes, kLeastCells, MarkTable::kDefaultSize);
}

MarkDomain MarkDomains::add(const Marks& marks) {
  const ExclusiveLock lock(mutex_);
  if (bytes_locked() + marks.bytes() > memory_bytes_ / 4 * 3)
    throw ConfigError("memory_bytes = " + std::to_string(memory_bytes_) +
                      " is too little for one database more: " + std::to_string(marks_.size()) +
                      " have their mark tables in it; raise it");
  const auto domain = static_cast<MarkDomain>(++last_);
  marks_.emplace(domain, &marks);
  return domain;
}

void MarkDomains::remove(MarkDomain domain) noexcept {
  const ExclusiveLock lock(mutex_);
  marks_.erase(domain);
}

bool MarkDomains::is_dead(const Entry& entry) const {
  const SharedLock lock(mutex_);
  const auto found = marks_.find(entry.domain());
  return found == marks_.end() ||
         !found->second->unchanged_since(entry.generation(), entry.targets());
}

bool MarkDomains::empty() const {
  const SharedLock lock(mutex_);
  return marks_.empty();
}

std::size_t MarkDomains::bytes() const {
  const SharedLock lock(mutex_);
  return bytes_locked();
}

double MarkDomains::false_invalidation_estimate() const {
  const SharedLock lock(mutex_);
  double worst = 0;
  for (const auto& [domain, marks] : marks_) worst = std::max(worst, marks->table().false_rate(0));
  return worst;
}

}  // namespace querymark
