#pragma once

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace querymark::bench {

/// A key of 32 bytes, the same for every subject. Its first 16 bytes are unique already: RocksDB's
/// HyperClockCache takes keys of just that size.
struct Key {
  std::array<char, 32> bytes;

  [[nodiscard]] std::string_view view() const noexcept { return {bytes.data(), bytes.size()}; }
  friend bool operator==(const Key& a, const Key& b) noexcept {
    return std::memcmp(a.bytes.data(), b.bytes.data(), sizeof(a.bytes)) == 0;
  }
};

/// The hash of every subject that lets its user choose.
struct KeyHash {
  using is_avalanching = void;
  std::size_t operator()(const Key& key) const noexcept {
    return XXH3_64bits(key.bytes.data(), key.bytes.size());
  }
};

/// What all subjects store: 32 bytes.
struct Item {
  std::int64_t id = 0;
  double price = 0;
  std::int64_t stock = 0;
  std::int64_t category = 0;
};

[[nodiscard]] Key key_of(std::uint32_t number) noexcept;
[[nodiscard]] Item item_of(std::uint32_t number) noexcept;

/// A request: which item, by its key. Requests lie one after the other in memory, so reading them
/// costs every subject the same and little.
struct Request {
  Key key;
  std::uint32_t number;
};

/// `count` requests to `items` items, Zipf with exponent 0.99 over scattered ranks.
[[nodiscard]] std::vector<Request> zipf_requests(std::size_t count, std::uint32_t items,
                                                 std::uint64_t seed);

}  // namespace querymark::bench
