#pragma once

#include <string>
#include <string_view>

#include "querymark/support/error.hpp"

namespace querymark::postgres {

/// Throws the querymark error for the libpqxx exception that is being handled; the one place where
/// they are translated. Call it in a catch block. `doing` names what was tried: "run a query on
/// postgresql://db/shop". `connection_open` is what the connection says after the failure. Errors
/// of querymark pass through.
[[noreturn]] void rethrow_current(std::string_view doing, bool connection_open);

/// Runs `action` on a caller's own connection, so that no libpqxx exception leaves it.
template <class Action>
decltype(auto) translated(std::string_view doing, Action&& action) {
  try {
    return action();
  } catch (...) {  // all of libpqxx's kinds, which share no base; rethrown as one of ours
    rethrow_current(doing, true);
  }
}

}  // namespace querymark::postgres
