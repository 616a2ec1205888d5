#include "subject.hpp"

#ifdef QUERYMARK_BENCH_TBB
#include <tbb/concurrent_hash_map.h>
#endif

namespace querymark::bench {

#ifdef QUERYMARK_BENCH_TBB
namespace {

struct Compare {
  static std::size_t hash(const Key& key) noexcept { return KeyHash{}(key); }
  static bool equal(const Key& a, const Key& b) noexcept { return a == b; }
};

class TbbMap {
 public:
  explicit TbbMap(std::size_t capacity) : map_(capacity) {}
  void put(const Request& request) {
    Map::accessor at;
    map_.insert(at, request.key);
    at->second = std::make_shared<const Item>(item_of(request.number));
  }
  template <class Use>
  bool get(const Request& request, Use&& use_item) {
    std::shared_ptr<const Item> held;
    {
      Map::const_accessor at;
      if (!map_.find(at, request.key)) return false;
      held = at->second;
    }
    use_item(*held);
    return true;
  }

 private:
  using Map = tbb::concurrent_hash_map<Key, std::shared_ptr<const Item>, Compare>;
  Map map_;
};

}  // namespace
#endif

PeerFactory tbb_hash_map() {
  PeerFactory factory{.name = "tbb_hash_map", .package = "libtbb-dev"};
#ifdef QUERYMARK_BENCH_TBB
  factory.make = [](std::size_t n) { return std::make_unique<PeerSubject<TbbMap>>(n); };
#endif
  return factory;
}

}  // namespace querymark::bench
