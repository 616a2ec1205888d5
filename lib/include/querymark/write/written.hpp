#pragma once  // For users.

#include <functional>
#include <type_traits>
#include <utility>

#include "querymark/log/receipt.hpp"

namespace querymark {

/// What a write came to: the receipt, and the function's value if it returns one.
template <class T>
struct Written {
  Receipt receipt;
  T value;
};
template <>
struct Written<void> {
  Receipt receipt;
};

namespace detail {

/// Runs `function(session.transaction())`, then `session.commit()`. If either throws, the session's
/// destructor rolls back.
template <class Session, class Function>
auto run_write(Session& session, Function& function) {
  using Transaction = decltype(session.transaction());
  using Value = std::invoke_result_t<Function&, Transaction>;
  if constexpr (std::is_void_v<Value>) {
    function(session.transaction());
    return Written<void>{session.commit()};
  } else {
    Value value = function(session.transaction());
    Receipt receipt = session.commit();
    return Written<Value>{std::move(receipt), std::move(value)};
  }
}

}  // namespace detail
}  // namespace querymark
