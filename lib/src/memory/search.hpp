#pragma once

#include "entry_index.hpp"
#include "querymark/memory/memory_tier.hpp"

// For: read. The search that each hit makes, here so that the hit path takes it into itself. Its
// protocol with the tier's writers is at the top of memory_tier.cpp.

namespace querymark {

[[gnu::always_inline]] inline EntryRef MemoryTier::search(const KeyView& key,
                                                          std::uint64_t full_hash) noexcept {
  const std::uint32_t hash = Entry::fold(full_hash);
  detail::HazardRecord& hazards = own_hazards();
  Hazard* hazard = &hazards.passing;
  for (Hazard& handle : hazards.handles)
    if (handle.load(std::memory_order_acquire) == nullptr) {
      hazard = &handle;
      break;
    }
  const Entry* const entry = indexes_[shard_number(hash)].find(key, hash, *hazard);
  if (entry == nullptr) return {};
  const std::uint8_t visits = entry->visits_.load(std::memory_order_relaxed);
  if (visits < kMostVisits)
    entry->visits_.store(static_cast<std::uint8_t>(visits + 1), std::memory_order_relaxed);
  if (hazard != &hazards.passing) [[likely]]
    return EntryRef::guard(entry, *hazard);
  EntryRef counted = EntryRef::share(entry);  // this thread holds many: see EntryRef
  clear_hazard(*hazard);
  return counted;
}

}  // namespace querymark
