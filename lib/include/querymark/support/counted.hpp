#pragma once  // For writers of ports.

#include <cstdint>
#include <string>
#include <string_view>

namespace querymark {

/// "1 column", "2 columns".
[[nodiscard]] inline std::string counted(std::uint64_t count, std::string_view what) {
  std::string text = std::to_string(count);
  text.append(" ").append(what);
  return count == 1 ? text : text + 's';
}

/// "the only column", "all 2 columns".
[[nodiscard]] inline std::string all_of(std::uint64_t count, std::string_view what) {
  return count == 1 ? std::string("the only ").append(what) : "all " + counted(count, what);
}

}  // namespace querymark
