#include "entry_blocks.hpp"

#include <new>
#include <utility>

// Each thread has a list of free blocks for each size 16 n + 8 up to 504 bytes, which are what
// malloc's steps of 16 bytes leave without waste; linked through their first word. Nobody else
// touches them. When the thread ends they are freed, and what is freed by later destructors of the
// same thread goes straight to the allocator.
//
// Sanitizers watch the allocator: with them every block comes from it and goes back to it.

namespace querymark {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kKeep = false;
#else
constexpr bool kKeep = true;
#endif
constexpr std::size_t kStep = 16;
constexpr std::size_t kLargest = 504;
constexpr std::size_t kClasses = kLargest / kStep + 1;
constexpr std::size_t kMostBytes = 64U << 10U;

struct Block {
  Block* next;
};

struct FreeBlocks {
  Block* lists[kClasses];
  std::size_t bytes;
  bool registered;
  bool ended;
};

thread_local constinit FreeBlocks free_blocks{};

struct AtThreadEnd {
  ~AtThreadEnd() {
    free_blocks.ended = true;
    for (Block*& list : free_blocks.lists)
      while (list != nullptr) ::operator delete(std::exchange(list, list->next));
  }
};

constexpr std::size_t rounded(std::size_t size) noexcept { return (size + 7) / kStep * kStep + 8; }
constexpr bool is_small(std::size_t size) noexcept { return size <= kLargest; }
Block*& list_of(std::size_t size) noexcept { return free_blocks.lists[rounded(size) / kStep]; }

}  // namespace

void* allocate_entry_block(std::size_t size) {
  if (kKeep && is_small(size))
    if (Block*& list = list_of(size); list != nullptr) {
      free_blocks.bytes -= rounded(size);
      return std::exchange(list, list->next);
    }
  return ::operator new(rounded(size));
}

void free_entry_block(void* block, std::size_t size) noexcept {
  if (!kKeep || !is_small(size) || free_blocks.ended ||
      free_blocks.bytes + rounded(size) > kMostBytes) {
    ::operator delete(block);
    return;
  }
  if (!free_blocks.registered) {
    thread_local const AtThreadEnd at_end;
    static_cast<void>(at_end);
    free_blocks.registered = true;
  }
  Block*& list = list_of(size);
  list = new (block) Block{list};
  free_blocks.bytes += rounded(size);
}

}  // namespace querymark
