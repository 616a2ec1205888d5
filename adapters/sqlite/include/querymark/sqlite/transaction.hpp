#pragma once  // For users.

#include "querymark/write/transaction.hpp"

namespace querymark::sqlite {

/// A write transaction on SQLite: it holds the database's write lock from the start (BEGIN
/// IMMEDIATE).
///
/// Refused are what begins or ends the transaction (savepoints are fine), ATTACH, and settings of
/// the connection. When SQLite itself ends the transaction (RAISE(ROLLBACK), OR ROLLBACK, a full
/// disk), every later call and the commit throw the error that did it, also if the function has
/// caught it. A reference that is kept past the write, or used on another thread, throws
/// ConfigError as long as the database lives. Temporary tables last as long as the write.
using Transaction = querymark::Transaction;

}  // namespace querymark::sqlite
