#include "subject.hpp"

#ifdef QUERYMARK_BENCH_LIBCUCKOO
#include <libcuckoo/cuckoohash_map.hh>
#endif

namespace querymark::bench {

#ifdef QUERYMARK_BENCH_LIBCUCKOO
namespace {

class CuckooMap {
 public:
  explicit CuckooMap(std::size_t capacity) : map_(capacity * 5 / 4) {}
  void put(const Request& request) {
    map_.insert_or_assign(request.key, std::make_shared<const Item>(item_of(request.number)));
  }
  template <class Use>
  bool get(const Request& request, Use&& use_item) {
    std::shared_ptr<const Item> held;
    if (!map_.find_fn(request.key, [&held](const auto& item) { held = item; })) return false;
    use_item(*held);
    return true;
  }

 private:
  libcuckoo::cuckoohash_map<Key, std::shared_ptr<const Item>, KeyHash> map_;
};

}  // namespace
#endif

PeerFactory libcuckoo_map() {
  PeerFactory factory{.name = "libcuckoo", .package = "libcuckoo-dev"};
#ifdef QUERYMARK_BENCH_LIBCUCKOO
  factory.make = [](std::size_t n) { return std::make_unique<PeerSubject<CuckooMap>>(n); };
#endif
  return factory;
}

}  // namespace querymark::bench
