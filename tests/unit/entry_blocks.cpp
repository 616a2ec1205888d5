#include "entry_blocks.hpp"

#include <catch2/catch.hpp>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

namespace {

using namespace querymark;

struct Filled {
  unsigned char* block;
  std::size_t size;
  unsigned char pattern;
};

Filled fill(std::size_t size, unsigned char pattern) {
  auto* const block = static_cast<unsigned char*>(allocate_entry_block(size));
  std::memset(block, pattern, size);
  return {block, size, pattern};
}

bool intact(const Filled& filled) {
  for (std::size_t i = 0; i < filled.size; ++i)
    if (filled.block[i] != filled.pattern) return false;
  return true;
}

}  // namespace

TEST_CASE("entry blocks: blocks of all sizes are apart, and aligned for any value", "[entry]") {
  std::vector<Filled> all;
  for (int round = 0; round < 3; ++round) {
    for (std::size_t size = 8; size < 700; ++size)
      all.push_back(fill(size, static_cast<unsigned char>(size)));
    std::size_t broken = 0;
    for (const Filled& filled : all) {
      broken += static_cast<std::size_t>(!intact(filled));
      broken += reinterpret_cast<std::uintptr_t>(filled.block) % alignof(std::max_align_t);
    }
    CHECK(broken == 0);
    for (const Filled& filled : all) free_entry_block(filled.block, filled.size);
    all.clear();
  }
}

TEST_CASE("entry blocks: what one thread allocates another may free, also while it ends",
          "[entry]") {
  std::mutex mutex;
  std::deque<Filled> passed;
  std::size_t broken = 0;
  for (int round = 0; round < 20; ++round) {
    std::vector<std::jthread> threads;
    for (unsigned t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        for (std::size_t i = 0; i < 500; ++i) {
          const Filled mine = fill(8 + (i * 37 + t) % 300, static_cast<unsigned char>(i + t));
          const std::lock_guard lock(mutex);
          passed.push_back(mine);
          if (passed.size() < 100) continue;
          const Filled other = passed.front();
          passed.pop_front();
          broken += static_cast<std::size_t>(!intact(other));
          free_entry_block(other.block, other.size);
        }
      });
  }
  CHECK(broken == 0);
  for (const Filled& left : passed) free_entry_block(left.block, left.size);
}
