#include "subject.hpp"

#ifdef QUERYMARK_BENCH_ROCKSDB

#include <rocksdb/cache.h>

namespace querymark::bench {
namespace {

// The value usable after return is the cache's own handle, which is given back after use.
// `kKeyBytes`: HyperClockCache refuses keys of other than 16 bytes, so it hashes and compares half
// of what the others do.
template <std::size_t kKeyBytes>
class RocksCache {
 public:
  explicit RocksCache(std::shared_ptr<rocksdb::Cache> cache) : cache_(std::move(cache)) {}
  void put(const Request& request) {
    const auto deleter = [](const rocksdb::Slice&, void* value) {
      delete static_cast<Item*>(value);
    };
    auto item = std::make_unique<Item>(item_of(request.number));
    if (cache_->Insert(slice(request), item.get(), 1, deleter).ok()) (void)item.release();
  }
  template <class Use>
  bool get(const Request& request, Use&& use_item) {
    rocksdb::Cache::Handle* handle = cache_->Lookup(slice(request));
    if (handle == nullptr) return false;
    use_item(*static_cast<const Item*>(cache_->Value(handle)));
    cache_->Release(handle);
    return true;
  }

 private:
  static rocksdb::Slice slice(const Request& request) noexcept {
    return {request.key.bytes.data(), kKeyBytes};
  }
  std::shared_ptr<rocksdb::Cache> cache_;
};

}  // namespace

PeerFactory rocksdb_hyper_clock() {
  return {.name = "rocksdb_hyper_clock",
          .package = "librocksdb-dev",
          .evicts = true,
          .make = [](std::size_t n) -> std::unique_ptr<Subject> {
            rocksdb::HyperClockCacheOptions options(n, 1, -1, false, nullptr,
                                                    rocksdb::kDontChargeCacheMetadata);
            return std::make_unique<PeerSubject<RocksCache<16>>>(options.MakeSharedCache());
          }};
}

PeerFactory rocksdb_lru() {
  return {.name = "rocksdb_lru",
          .package = "librocksdb-dev",
          .evicts = true,
          .make = [](std::size_t n) -> std::unique_ptr<Subject> {
            return std::make_unique<PeerSubject<RocksCache<32>>>(
                rocksdb::NewLRUCache(n, 6, false, 0.0, nullptr, rocksdb::kDefaultToAdaptiveMutex,
                                     rocksdb::kDontChargeCacheMetadata));
          }};
}

}  // namespace querymark::bench

#else

namespace querymark::bench {

PeerFactory rocksdb_hyper_clock() {
  return {.name = "rocksdb_hyper_clock", .package = "librocksdb-dev", .evicts = true};
}

PeerFactory rocksdb_lru() {
  return {.name = "rocksdb_lru", .package = "librocksdb-dev", .evicts = true};
}

}  // namespace querymark::bench

#endif
