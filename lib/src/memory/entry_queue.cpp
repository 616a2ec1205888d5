#include "entry_queue.hpp"

#include <algorithm>
#include <optional>

namespace querymark {

RetiredEntries::~RetiredEntries() {
  release();
  if (first_ == nullptr) return;
  std::vector<const Entry*> left;
  for (const Entry* at = first_; at != nullptr; at = EntryQueue::next(*at)) left.push_back(at);
  adopt_orphans(left);
}

void RetiredEntries::add(const Entry& entry, std::size_t charge) noexcept {
  const Packed48 packed = EntryQueue::pack(&entry, 0);
  EntryQueue::clear_next(entry);
  if (last_ != nullptr)
    EntryQueue::set_next(*last_, packed);
  else
    first_ = &entry;
  last_ = &entry;
  ++size_;
  bytes_ += charge;
  prefix_bytes_ += entry.prefix_charge();
}

void RetiredEntries::append(RetiredEntries&& other) noexcept {
  if (other.first_ == nullptr) return;
  if (last_ != nullptr)
    EntryQueue::set_next(*last_, EntryQueue::pack(other.first_, 0));
  else
    first_ = other.first_;
  last_ = other.last_;
  size_ += std::exchange(other.size_, 0);
  bytes_ += std::exchange(other.bytes_, 0);
  prefix_bytes_ += std::exchange(other.prefix_bytes_, 0);
  other.first_ = other.last_ = nullptr;
}

void RetiredEntries::release() noexcept {
  if (first_ == nullptr) return;
  std::optional<std::vector<const Entry*>> held;
  try {
    held = protected_entries();
  } catch (const std::bad_alloc&) {
    return;  // they wait for the next time
  }
  if (!held) return;
  const Entry* at = std::exchange(first_, nullptr);
  last_ = nullptr;
  size_ = bytes_ = prefix_bytes_ = 0;
  while (at != nullptr) {
    const Entry* const entry = std::exchange(at, EntryQueue::next(*at));
    if (std::ranges::binary_search(*held, entry))
      add(*entry, entry->charge());
    else
      (void)EntryRef::adopt(entry);
  }
}

}  // namespace querymark
