#pragma once

#include <libpq-fe.h>

#include <cstdint>
#include <pqxx/transaction_base>
#include <string>
#include <string_view>

#include "querymark/support/constraint_violation.hpp"

namespace querymark::postgres {

/// What the server says of a failure.
struct Complaint {
  std::string message;  ///< Without what it tells of rows' values apart from its first sentence.
  std::string state;    ///< SQLSTATE; empty when there is none.
  ViolatedConstraint violated{};  ///< Of class 23, as far as it is told.
};
/// Of a result that failed.
[[nodiscard]] Complaint complaint_of(const PGresult* result);

/// Whose statement has failed, as far as it helps to know.
enum class Whose : std::uint8_t { callers, ours, workers };

/// Throws the querymark error for what the server said. `doing` names what was tried: "run a query
/// on postgresql://db/shop". Only the connection's own state, `connection_open` after the failure,
/// decides whether it is lost: a function may raise any SQLSTATE.
[[noreturn]] void raise(std::string_view doing, Complaint complaint, bool connection_open,
                        Whose whose = Whose::callers);

/// Throws the querymark error for the libpqxx exception that is being handled; the one place where
/// they are translated. Call it in a catch block. Errors of querymark pass through.
[[noreturn]] void rethrow_current(std::string_view doing, bool connection_open, Whose whose);

/// Runs `action` on a caller's own connection, so that no libpqxx exception leaves it.
template <class Action>
decltype(auto) translated(std::string_view doing, Whose whose,
                          const pqxx::transaction_base& transaction, Action&& action) {
  try {
    return action();
  } catch (...) {  // all of libpqxx's kinds, which share no base; rethrown as one of ours
    rethrow_current(doing, transaction.conn().is_open(), whose);
  }
}

}  // namespace querymark::postgres
