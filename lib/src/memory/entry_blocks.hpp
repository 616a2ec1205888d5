#pragma once

#include <cstddef>

namespace querymark {

/// Memory for entries. A thread keeps up to 64 KiB of small blocks that it has freed and hands them
/// out again: a cache that is full frees a block for each one that it takes, often one that another
/// thread allocated, and the allocator's locks would be what threads wait for.
///
/// Thread-safe. Throws std::bad_alloc.
[[nodiscard]] void* allocate_entry_block(std::size_t size);
/// `size` is what it was allocated with. From any thread.
void free_entry_block(void* block, std::size_t size) noexcept;

}  // namespace querymark
