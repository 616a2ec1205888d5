#include "ghosts.hpp"

#include <algorithm>
#include <new>

namespace querymark {

// Made anew, and empty, when the number of entries has grown past the table: rare, and what is
// forgotten is learnt again.
void Ghosts::resize(std::size_t limit) noexcept {
  const std::size_t buckets = std::max<std::size_t>(8, limit * 2 / kWays);
  try {
    words_.assign(buckets * kWays, 0);
  } catch (const std::bad_alloc&) {
    return;  // goes on with what there is
  }
  step_ = std::max<std::size_t>(1, limit * 2 / kAges);
}

void Ghosts::add(std::uint32_t hash, std::size_t limit) noexcept {
  limit_ = std::max<std::size_t>(limit, 1);
  if (words_.size() < limit_ + limit_ / 4) resize(limit_);
  if (words_.empty()) return;
  ++added_;
  std::uint32_t* const words = bucket(hash);
  std::uint32_t* oldest = words;
  unsigned oldest_age = 0;
  for (std::size_t i = 0; i < kWays; ++i) {
    if (words[i] == 0) {
      oldest = words + i;
      break;
    }
    const auto age = static_cast<std::uint16_t>(now() - static_cast<std::uint16_t>(words[i]));
    if (age >= oldest_age) {
      oldest_age = age;
      oldest = words + i;
    }
  }
  *oldest = static_cast<std::uint32_t>(name(hash)) << 16U | now();
}

bool Ghosts::take(std::uint32_t hash) noexcept {
  if (words_.empty()) return false;
  std::uint32_t* const words = bucket(hash);
  for (std::size_t i = 0; i < kWays; ++i) {
    if (words[i] >> 16U != name(hash)) continue;
    const auto age = static_cast<std::uint16_t>(now() - static_cast<std::uint16_t>(words[i]));
    words[i] = 0;
    return age * step_ <= limit_;
  }
  return false;
}

}  // namespace querymark
