#pragma once

#include <chrono>
#include <string>

#include "querymark/file_tier/file_tier.hpp"

namespace querymark::test {

/// A file tier that a slow disk does not make a test's values skip.
[[nodiscard]] inline FileTier patient_tier(const std::string& path) {
  return FileTier(path, {.busy_timeout = std::chrono::seconds(30)});
}

}  // namespace querymark::test
