#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "workload.hpp"

namespace querymark::bench {

/// What is measured: something that answers requests. A call serves a whole batch, so that the
/// virtual call costs nothing.
class Subject {
 public:
  virtual ~Subject() = default;
  /// Puts the item in, as a load would.
  virtual void fill(const Request& request) = 0;
  /// Serves the requests and uses each value after the call that returned it. Counts what was not
  /// resident; with `load`, puts it in.
  virtual std::uint64_t serve(std::span<const Request> requests, bool load) = 0;
  /// Called around a measurement (a writer that runs meanwhile).
  virtual void begin() {}
  virtual void end() {}
};

/// Keeps the compiler from dropping the work that made `value`.
template <class T>
inline void use(const T& value) noexcept {
  asm volatile("" : : "r,m"(value) : "memory");
}

/// The loop over requests, for a peer with `get(request, use) -> bool` and `put(request)`.
template <class Peer>
class PeerSubject final : public Subject {
 public:
  template <class... Args>
  explicit PeerSubject(Args&&... args) : peer_(std::forward<Args>(args)...) {}
  void fill(const Request& request) override { peer_.put(request); }
  std::uint64_t serve(std::span<const Request> requests, bool load) override {
    std::uint64_t missed = 0;
    std::int64_t sum = 0;
    for (const Request& request : requests) {
      if (peer_.get(request, [&sum](const Item& item) { sum += item.id; })) continue;
      ++missed;
      if (load) peer_.put(request);
    }
    use(sum);
    return missed;
  }

 private:
  Peer peer_;
};

/// A peer as the benchmarks know it. `make` is empty when its package was not there at build time.
struct PeerFactory {
  std::string_view name;
  std::string_view package;
  bool evicts = false;
  bool threads = true;  ///< May be filled and read by several threads.
  std::function<std::unique_ptr<Subject>(std::size_t capacity)> make;
};

[[nodiscard]] PeerFactory floor_inline_key();
[[nodiscard]] PeerFactory mutex_lru();
[[nodiscard]] PeerFactory rocksdb_hyper_clock();
[[nodiscard]] PeerFactory rocksdb_lru();
[[nodiscard]] PeerFactory tbb_hash_map();
[[nodiscard]] PeerFactory libcuckoo_map();
[[nodiscard]] std::vector<PeerFactory> all_peers();

}  // namespace querymark::bench
