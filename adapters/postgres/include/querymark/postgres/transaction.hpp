#pragma once  // For users.

#include "querymark/write/transaction.hpp"

namespace querymark::postgres {

/// A write transaction on PostgreSQL. SQL goes to the server verbatim, with `$1` parameters. What
/// would end the transaction, or change the pooled session beyond it, is refused.
using Transaction = querymark::Transaction;

}  // namespace querymark::postgres
