#pragma once

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>

#include "support/rounds.hpp"

namespace querymark::test {

/// A seeded source of choices. The seed is `QUERYMARK_SEED` if that is set; put `CAPTURE` or
/// `INFO` of `seed()` where a failure must name it.
class Choices {
 public:
  explicit Choices(std::uint64_t seed) : seed_(seed), engine_(seed) {}

  [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }
  /// A number below `bound`; requires bound > 0.
  [[nodiscard]] std::size_t below(std::size_t bound) {
    return std::uniform_int_distribution<std::size_t>(0, bound - 1)(engine_);
  }
  [[nodiscard]] bool one_in(std::size_t count) { return below(count) == 0; }
  [[nodiscard]] char byte() { return static_cast<char>(below(256)); }
  /// Up to `longest` random bytes.
  [[nodiscard]] std::string bytes(std::size_t longest) {
    std::string text(below(longest + 1), '\0');
    for (char& c : text) c = byte();
    return text;
  }

  /// The first seed of a run of them.
  [[nodiscard]] static std::uint64_t first_seed() {
    const char* given = std::getenv("QUERYMARK_SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  }
  /// How many seeds: `QUERYMARK_ROUNDS` if that is set.
  [[nodiscard]] static std::uint64_t worlds(std::uint64_t usual) {
    const char* given = std::getenv("QUERYMARK_ROUNDS");
    return given != nullptr ? std::strtoull(given, nullptr, 10) : rounds(usual);
  }

 private:
  std::uint64_t seed_;
  std::mt19937_64 engine_;
};

/// For how long a run goes on: QUERYMARK_SECONDS, if that is set.
[[nodiscard]] inline std::chrono::seconds seconds_or(int usual) {
  const char* const given = std::getenv("QUERYMARK_SECONDS");
  return std::chrono::seconds(given != nullptr ? std::atoi(given) : usual);
}

/// Runs `world(seed)` with one seed after the other: `usual` of them, or fewer under a sanitizer, and for
/// QUERYMARK_SECONDS if that is set.
template <class World>
void each_seed(std::uint64_t usual, World&& world) {
  const auto end = std::chrono::steady_clock::now() + seconds_or(0);
  const std::uint64_t first = Choices::first_seed();
  for (std::uint64_t i = 0; i < rounds(usual) || std::chrono::steady_clock::now() < end; ++i)
    world(first + i);
}

/// Whether `holds(seed)` for one of the first `count` seeds.
template <class Holds>
[[nodiscard]] bool any_seed(std::uint64_t count, Holds&& holds) {
  const std::uint64_t first = Choices::first_seed();
  for (std::uint64_t i = 0; i < count; ++i)
    if (holds(first + i)) return true;
  return false;
}

/// Damages `bytes` in one of the ways in which stored bytes go wrong.
inline void mutate(std::string& bytes, Choices& choices) {
  if (bytes.empty()) return;
  const std::size_t at = choices.below(bytes.size());
  switch (choices.below(6)) {
    case 0:
      bytes[at] = choices.byte();
      break;
    case 1:
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << choices.below(8)));
      break;
    case 2:
      bytes.resize(at);
      break;
    case 3:
      bytes.insert(at, choices.bytes(16));
      break;
    case 4:
      bytes.erase(at, choices.below(16) + 1);
      break;
    default:  // a length or an offset that lies
      for (std::size_t i = at; i < bytes.size() && i < at + 4; ++i)
        bytes[i] = choices.one_in(2) ? '\xFF' : '\0';
  }
}

}  // namespace querymark::test
