#include <list>
#include <mutex>
#include <unordered_map>

#include "subject.hpp"

namespace querymark::bench {
namespace {

// What most programs write first: a hash map into a list, one mutex.
class MutexLru {
 public:
  explicit MutexLru(std::size_t capacity) : capacity_(capacity) {}
  void put(const Request& request) {
    auto item = std::make_shared<const Item>(item_of(request.number));
    const std::lock_guard lock(mutex_);
    const auto found = index_.find(request.key);
    if (found != index_.end()) {
      found->second->second = std::move(item);
      return;
    }
    if (index_.size() >= capacity_) {
      index_.erase(order_.back().first);
      order_.pop_back();
    }
    order_.emplace_front(request.key, std::move(item));
    index_.emplace(request.key, order_.begin());
  }
  template <class Use>
  bool get(const Request& request, Use&& use_item) {
    std::shared_ptr<const Item> held;
    {
      const std::lock_guard lock(mutex_);
      const auto found = index_.find(request.key);
      if (found == index_.end()) return false;
      order_.splice(order_.begin(), order_, found->second);
      held = found->second->second;
    }
    use_item(*held);
    return true;
  }

 private:
  using Order = std::list<std::pair<Key, std::shared_ptr<const Item>>>;
  std::mutex mutex_;
  std::size_t capacity_;
  Order order_;  // latest first
  std::unordered_map<Key, Order::iterator, KeyHash> index_;
};

}  // namespace

PeerFactory mutex_lru() {
  return {.name = "mutex_lru",
          .package = "libstdc++-12-dev",
          .evicts = true,
          .make = [](std::size_t n) { return std::make_unique<PeerSubject<MutexLru>>(n); }};
}

}  // namespace querymark::bench
