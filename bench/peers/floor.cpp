#include <boost/unordered/unordered_flat_map.hpp>

#include "subject.hpp"

namespace querymark::bench {
namespace {

// The least that a hit can cost: a flat hash map with the key inside, a shared_ptr to the value
// that is copied and dropped, no synchronisation, no policy, no expiry.
class Floor {
 public:
  explicit Floor(std::size_t capacity) { map_.reserve(capacity); }
  void put(const Request& request) {
    map_.insert_or_assign(request.key, std::make_shared<const Item>(item_of(request.number)));
  }
  template <class Use>
  bool get(const Request& request, Use&& use_item) {
    const auto found = map_.find(request.key);
    if (found == map_.end()) return false;
    const std::shared_ptr<const Item> held = found->second;
    use_item(*held);
    return true;
  }

 private:
  boost::unordered_flat_map<Key, std::shared_ptr<const Item>, KeyHash> map_;
};

}  // namespace

PeerFactory floor_inline_key() {
  return {.name = "floor_inline_key", .package = "libboost1.81-dev", .make = [](std::size_t n) {
            return std::make_unique<PeerSubject<Floor>>(n);
          }};
}

std::vector<PeerFactory> all_peers() {
  return {floor_inline_key(), rocksdb_hyper_clock(), rocksdb_lru(),
          tbb_hash_map(),     libcuckoo_map(),       mutex_lru()};
}

}  // namespace querymark::bench
