#pragma once

#include "querymark/read/result.hpp"

namespace querymark::test {

/// The only value of a one-row result: by value, so it may come from a temporary.
template <class T>
[[nodiscard]] T only(const Rows<T>& rows) {
  return rows[0];
}

}  // namespace querymark::test
