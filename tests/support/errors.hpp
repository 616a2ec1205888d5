#pragma once

#include <string>

#include "querymark/support/error.hpp"

namespace querymark::test {

/// What the Error says that `action` throws; "nothing was thrown" when it throws none.
template <class Action>
[[nodiscard]] std::string message_of(Action&& action) {
  try {
    action();
  } catch (const Error& failure) {
    return failure.what();
  }
  return "nothing was thrown";
}

}  // namespace querymark::test
