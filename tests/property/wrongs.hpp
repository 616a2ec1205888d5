#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace querymark::test {

/// What a model has found to be wrong: how often, and the first.
struct Wrongs {
  std::uint64_t count = 0;
  std::string first;

  void require(bool right, std::string_view what) {
    if (right) return;
    if (count++ == 0) first = what;
  }
};

}  // namespace querymark::test
