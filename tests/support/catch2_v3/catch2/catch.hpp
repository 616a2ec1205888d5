#pragma once

// Catch2 3 under version 2's header and names, which the tests use.
#include <catch2/catch_all.hpp>
#include <string>
#include <utility>

namespace Catch {
namespace Matchers {

// Version 3's Contains looks for an element; of a text the tests mean a part. No template, so these
// are preferred for texts.
[[nodiscard]] inline StringContainsMatcher Contains(const char* part) {
  return ContainsSubstring(part);
}
[[nodiscard]] inline StringContainsMatcher Contains(const std::string& part) {
  return ContainsSubstring(part);
}
[[nodiscard]] inline StringContainsMatcher Contains(std::string& part) {
  return ContainsSubstring(part);
}
[[nodiscard]] inline StringContainsMatcher Contains(std::string&& part) {
  return ContainsSubstring(part);
}

}  // namespace Matchers

using Matchers::Contains;
using Matchers::EndsWith;
using Matchers::StartsWith;

}  // namespace Catch

using Catch::Approx;
