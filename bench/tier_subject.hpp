#pragma once

#include "querymark/key/key_encoder.hpp"
#include "querymark/key/prefix_table.hpp"
#include "querymark/memory/memory_tier.hpp"
#include "subject.hpp"

namespace querymark::bench {

/// The memory tier alone, below the read path: get or put entries with three targets and a TTL.
class TierPeer {
 public:
  explicit TierPeer(std::size_t capacity_entries);
  void put(const Request& request) { tier_.insert(make(request)); }
  template <class Use>
  bool get(const Request& request, Use&& use_item) {
    KeyEncoder encoder(*prefix_);
    encoder.add(as_parameter(request.key.view()));
    const EntryRef found = tier_.find(encoder.key(), encoder.hash());
    if (!found) return false;
    use_item(found.value<Item>());
    return true;
  }
  [[nodiscard]] MemoryTier& tier() noexcept { return tier_; }

 private:
  [[nodiscard]] EntryRef make(const Request& request) const;

  PrefixTable prefixes_;
  KeyPrefixRef prefix_;
  MemoryTier tier_;
};

}  // namespace querymark::bench
