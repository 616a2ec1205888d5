#include "querymark/memory/entry.hpp"

#include <algorithm>

#include "querymark/support/error.hpp"

namespace querymark {

Entry::Entry(const EntryInit& init, std::size_t value_offset, std::size_t charge,
             void (*destroy_value)(void*) noexcept) noexcept
    : generation_(init.generation),
      hash_(init.hash),
      prefix_(init.prefix),
      expires_(init.expires),
      loaded_(init.loaded),
      destroy_value_(destroy_value),
      charge_(charge),
      domain_(init.domain),
      parameters_size_(static_cast<std::uint32_t>(init.parameters.size())),
      value_offset_(static_cast<std::uint32_t>(value_offset)),
      target_count_(static_cast<std::uint16_t>(init.targets.size())) {
  std::ranges::copy(init.targets, const_cast<TargetId*>(targets_begin()));
  std::ranges::copy(init.parameters, const_cast<char*>(parameters_begin()));
}

void Entry::destroy() const noexcept {
  auto* self = const_cast<Entry*>(this);
  destroy_value_(const_cast<void*>(value()));
  self->~Entry();
  ::operator delete(self);
}

void detail::check_entry_sizes(const EntryInit& init) {
  if (init.targets.size() > kMaxTargets)
    throw ConfigError("a cached value can't carry more than " + std::to_string(kMaxTargets) +
                      " targets; use a collection");
  if (init.parameters.size() >= (1U << 30U))
    throw ConfigError("the parameters of a cached query must stay below 1 GiB");
}

}  // namespace querymark
