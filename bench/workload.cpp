#include "workload.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace querymark::bench {

Key key_of(std::uint32_t number) noexcept {
  constexpr char kDigits[] = "0123456789abcdef";
  Key key{};
  // Multiplying by an odd number is a bijection: 16 hexadecimal digits that are unique and look
  // random.
  std::uint64_t mixed = (number + 1) * 0x9E3779B97F4A7C15ULL;
  for (std::size_t i = 0; i < 16; ++i, mixed >>= 4U) key.bytes[i] = kDigits[mixed & 15U];
  std::memcpy(key.bytes.data() + 16, "-catalogue/item:", 16);
  return key;
}

Item item_of(std::uint32_t number) noexcept {
  return {.id = number, .price = number * 0.25, .stock = number % 7, .category = number % 100};
}

std::vector<Request> zipf_requests(std::size_t count, std::uint32_t items, std::uint64_t seed) {
  std::vector<double> cumulated(items);
  double sum = 0;
  for (std::uint32_t rank = 0; rank < items; ++rank)
    cumulated[rank] = sum += std::pow(rank + 1.0, -0.99);
  std::vector<std::uint32_t> scattered(items);
  std::iota(scattered.begin(), scattered.end(), 0U);
  std::shuffle(scattered.begin(), scattered.end(), std::mt19937_64(12345));  // the same for all
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> uniform(0, sum);
  std::vector<Request> requests;
  requests.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto at = std::lower_bound(cumulated.begin(), cumulated.end() - 1, uniform(random));
    const std::uint32_t number = scattered[static_cast<std::size_t>(at - cumulated.begin())];
    requests.push_back({key_of(number), number});
  }
  return requests;
}

}  // namespace querymark::bench
