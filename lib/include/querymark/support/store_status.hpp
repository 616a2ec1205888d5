#pragma once  // For writers of ports.

#include <cstdint>

namespace querymark {

/// What became of a value that was offered to a tier.
enum class StoreStatus : std::uint8_t {
  stored,
  oversize,    ///< Larger than the tier takes: returned to the caller, not kept.
  superseded,  ///< The tier holds a value for this key whose stamp is later.
  expired,     ///< Its time is over, or shorter than the tier can tell.
  failed,      ///< The tier is down or broken; counted.
};

}  // namespace querymark
