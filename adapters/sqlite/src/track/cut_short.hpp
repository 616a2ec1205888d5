#pragma once

#include <string>

#include "connection.hpp"

// What may end a statement after it has changed a row of a table, and before the trigger that reports the
// change. Between the two SQLite runs the actions of foreign keys, and in them the triggers of the tables
// that refer to this one, and of those that these write to. FAIL in one of them ends the whole statement and
// leaves what it has done: RAISE(FAIL), OR FAIL, and ON CONFLICT FAIL of a constraint. ABORT and ROLLBACK take it
// back, IGNORE ends no more than the action.
//
// All that may be run counts, whatever would have to be written for it.

namespace querymark::sqlite {

/// What may do that, for people; empty: nothing. Inside the caller's transaction if one is open. Throws Error.
[[nodiscard]] std::string what_cuts_short(Connection& connection, const std::string& table);

}  // namespace querymark::sqlite
