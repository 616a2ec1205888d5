#pragma once

#include <string>
#include <utility>

#include "connection.hpp"

namespace querymark::postgres {

inline constexpr const char* kBeginReading = "begin isolation level read committed read only";
/// Behind a `begin`: names mean the server's own.
inline constexpr const char* kAsServer =
    "; set local search_path = pg_catalog, pg_temp; set local jit = off";

/// What `action` returns, in a transaction that `begin` opens and that is rolled back at its end, which
/// leaves the session as it was.
template <class Action>
auto in_passing(Connection& connection, const std::string& begin, Action&& action) {
  try {
    connection.run(begin);
    auto result = std::forward<Action>(action)();
    connection.run("rollback");
    return result;
  } catch (...) {  // then rethrown
    connection.rollback();
    throw;
  }
}

}  // namespace querymark::postgres
