#include "policies.hpp"

#include <algorithm>
#include <deque>
#include <limits>
#include <list>
#include <set>
#include <unordered_map>

namespace querymark::bench {

std::uint64_t lru_hits(const std::vector<std::uint32_t>& trace, std::size_t size) {
  std::list<std::uint32_t> order;
  std::unordered_map<std::uint32_t, std::list<std::uint32_t>::iterator> index;
  std::uint64_t hits = 0;
  for (const std::uint32_t key : trace) {
    if (const auto found = index.find(key); found != index.end()) {
      ++hits;
      order.splice(order.begin(), order, found->second);
      continue;
    }
    if (index.size() >= size) {
      index.erase(order.back());
      order.pop_back();
    }
    order.push_front(key);
    index.emplace(key, order.begin());
  }
  return hits;
}

namespace {

class S3Fifo {
 public:
  explicit S3Fifo(std::size_t size)
      : small_size_(std::max<std::size_t>(1, size / 10)), main_size_(size - small_size_) {}

  bool access(std::uint32_t key) {
    if (const auto found = resident_.find(key); found != resident_.end()) {
      found->second = std::min(found->second + 1, 3);
      return true;
    }
    const bool known = ghosts_.contains(key);
    while (small_.size() + main_.size() >= small_size_ + main_size_) evict();
    if (known) {
      ghosts_.erase(key);
      main_.push_back(key);
    } else {
      small_.push_back(key);
    }
    resident_.emplace(key, 0);
    return false;
  }

 private:
  void evict() {
    if (small_.size() >= small_size_ || main_.empty())
      evict_small();
    else
      evict_main();
  }
  void evict_small() {
    const std::uint32_t key = small_.front();
    small_.pop_front();
    int& uses = resident_.at(key);
    if (uses > 1) {
      uses = 0;
      main_.push_back(key);
      if (main_.size() > main_size_) evict_main();
      return;
    }
    resident_.erase(key);
    ghosts_[key] = ++clock_;
    ghost_order_.emplace_back(key, clock_);
    while (ghosts_.size() > main_size_) {
      const auto [oldest, when] = ghost_order_.front();
      ghost_order_.pop_front();
      if (const auto at = ghosts_.find(oldest); at != ghosts_.end() && at->second == when)
        ghosts_.erase(at);
    }
  }
  void evict_main() {
    for (;;) {
      const std::uint32_t key = main_.front();
      main_.pop_front();
      int& uses = resident_.at(key);
      if (uses == 0) {
        resident_.erase(key);
        return;
      }
      --uses;
      main_.push_back(key);
    }
  }

  std::size_t small_size_;
  std::size_t main_size_;
  std::deque<std::uint32_t> small_, main_;
  std::unordered_map<std::uint32_t, int> resident_;
  std::unordered_map<std::uint32_t, std::uint64_t> ghosts_;
  std::deque<std::pair<std::uint32_t, std::uint64_t>> ghost_order_;
  std::uint64_t clock_ = 0;
};

}  // namespace

std::uint64_t s3_fifo_hits(const std::vector<std::uint32_t>& trace, std::size_t size) {
  S3Fifo cache(size);
  return static_cast<std::uint64_t>(
      std::ranges::count_if(trace, [&cache](std::uint32_t key) { return cache.access(key); }));
}

std::uint64_t opt_hits(const std::vector<std::uint32_t>& trace, std::size_t size) {
  constexpr auto kNever = std::numeric_limits<std::size_t>::max();
  std::vector<std::size_t> next(trace.size(), kNever);
  std::unordered_map<std::uint32_t, std::size_t> seen;
  for (std::size_t i = trace.size(); i-- > 0;) {
    if (const auto found = seen.find(trace[i]); found != seen.end()) next[i] = found->second;
    seen[trace[i]] = i;
  }
  std::set<std::pair<std::size_t, std::uint32_t>> by_next;  // resident, by their next use
  std::unordered_map<std::uint32_t, std::size_t> resident;
  std::uint64_t hits = 0;
  for (std::size_t i = 0; i < trace.size(); ++i) {
    const std::uint32_t key = trace[i];
    if (const auto found = resident.find(key); found != resident.end()) {
      ++hits;
      by_next.erase({found->second, key});
    } else if (resident.size() >= size) {
      const auto latest = std::prev(by_next.end());
      resident.erase(latest->second);
      by_next.erase(latest);
    }
    resident[key] = next[i];
    by_next.emplace(next[i], key);
  }
  return hits;
}

}  // namespace querymark::bench
