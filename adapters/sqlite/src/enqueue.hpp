#pragma once

#include <string>

#include "connection.hpp"
#include "log_state.hpp"
#include "querymark/write/own_writes.hpp"

namespace querymark::sqlite {

/// Puts the intents into the log, in the write transaction that is open on `connection`; `append` is the
/// statement of that name, prepared on it, and `before` is where the log stands, as the transaction sees
/// it and with this process's cursor.
///
/// `cursor` is this process's. Where the log holds nothing but the write's own rows behind it, the
/// write says so (`PendingWrite::follows`; see OwnWrites::apply): nobody else can add to the log
/// while the transaction holds the write lock; rows of triggers, of other statements of the
/// transaction and of other namespaces make the ids or the number of changes differ; and a cursor
/// whose row is not the one that it saw (the file was rewound) proves nothing. It holds if COMMIT
/// comes next.
[[nodiscard]] PendingWrite enqueue(const std::string& namespace_name, const IntentBatch& intents,
                                   const Cursor& cursor, const LogState& before,
                                   SQLite::Database& connection, PreparedStatement& append);

}  // namespace querymark::sqlite
