#pragma once

namespace querymark::test {

/// How often a test that draws lots, or races, repeats itself: a fifth under a sanitizer, where each
/// time takes many times as long. The cases are the same.
template <class Number>
[[nodiscard]] constexpr Number rounds(Number usual) noexcept {
#ifdef QUERYMARK_SANITIZED
  return usual / 5;
#else
  return usual;
#endif
}

}  // namespace querymark::test
