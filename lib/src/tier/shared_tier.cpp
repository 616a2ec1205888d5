#include "querymark/tier/shared_tier.hpp"

namespace querymark {
std::optional<SharedValue> SharedTier::get(std::string_view namespace_name,
                                           const Digest& name) noexcept {
  TierRead wanted{.name = name};
  static_cast<void>(read(namespace_name, {&wanted, 1}));
  return std::move(wanted.value);
}

}  // namespace querymark
