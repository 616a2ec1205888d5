#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace querymark {

/// Remembers the hashes of entries that were evicted lately: four bytes each, in buckets of eight,
/// the oldest of a bucket giving way. Forgetful and, once in some thousand questions, mistaken:
/// either costs a wrong place in a queue. Not thread-safe.
class Ghosts {
 public:
  /// Notes an eviction. Ghosts count for `limit` evictions.
  void add(std::uint32_t hash, std::size_t limit) noexcept;
  /// True if the hash was noted within the limit; forgets it.
  [[nodiscard]] bool take(std::uint32_t hash) noexcept;

 private:
  static constexpr std::size_t kWays = 8;
  static constexpr std::size_t kAges = 1024;  // the limit, in steps of age
  void resize(std::size_t limit) noexcept;
  [[nodiscard]] std::uint32_t* bucket(std::uint32_t hash) noexcept {
    return words_.data() + ((hash * std::uint64_t{words_.size() / kWays}) >> 32U) * kWays;
  }
  [[nodiscard]] std::uint16_t now() const noexcept {
    return static_cast<std::uint16_t>(added_ / step_);
  }
  [[nodiscard]] static std::uint16_t name(std::uint32_t hash) noexcept {
    const auto mixed = static_cast<std::uint16_t>((hash * 0x85EBCA6BU) >> 16U);
    return mixed == 0 ? 1 : mixed;
  }

  std::vector<std::uint32_t> words_;  // name << 16 | age; zero: empty
  std::uint64_t added_ = 0;
  std::size_t step_ = 1;  // additions per step of age
  std::size_t limit_ = 0;
};

}  // namespace querymark
