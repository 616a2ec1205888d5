#pragma once

#include <pqxx/transaction_base>
#include <string>
#include <string_view>

#include "querymark/support/error.hpp"

namespace querymark::postgres {

/// Throws the querymark error for what the server said. `doing` names what was tried: "run a query
/// on postgresql://db/shop". `state` is the SQLSTATE, empty when there is none. Only the
/// connection's own state, `connection_open` after the failure, decides whether it is lost: a
/// function may raise any SQLSTATE.
[[noreturn]] void raise(std::string_view doing, const std::string& message,
                        const std::string& state, bool connection_open);

/// Throws the querymark error for the libpqxx exception that is being handled; the one place where
/// they are translated. Call it in a catch block. Errors of querymark pass through.
[[noreturn]] void rethrow_current(std::string_view doing, bool connection_open);

/// Runs `action` on a caller's own connection, so that no libpqxx exception leaves it.
template <class Action>
decltype(auto) translated(std::string_view doing, const pqxx::transaction_base& transaction,
                          Action&& action) {
  try {
    return action();
  } catch (...) {  // all of libpqxx's kinds, which share no base; rethrown as one of ours
    rethrow_current(doing, transaction.conn().is_open());
  }
}

}  // namespace querymark::postgres
