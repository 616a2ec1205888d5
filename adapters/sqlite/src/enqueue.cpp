#include "enqueue.hpp"

#include <sqlite3.h>

#include <algorithm>

#include "querymark/support/error.hpp"

namespace querymark::sqlite {

PendingWrite enqueue(const std::string& namespace_name, const IntentBatch& intents,
                     const Cursor& cursor, const LogState& before, SQLite::Database& connection,
                     PreparedStatement& append) {
  const std::uint64_t seen = last_id(cursor);
  PendingWrite pending = begin_pending(namespace_name, before.epoch);
  if (intents.empty()) return pending;

  sqlite3* const raw = connection.getHandle();
  const std::int64_t changes = sqlite3_total_changes64(raw);
  const ParameterView reason =
      intents.reason().empty() ? ParameterView() : as_parameter(intents.reason());
  for (const Target& target : intents.targets()) {
    const ParameterView values[] = {
        as_parameter(namespace_name), as_parameter(to_string(target.kind())),
        as_parameter(target.text()), reason, as_parameter(stored(pending.receipt.write))};
    const Position at{static_cast<std::uint64_t>(run_insert(append, values))};
    if (at.value <= std::max(before.last, pending.receipt.position.value))
      throw Error("the log took fewer rows than there are intents");
    pending.add(target, at);
  }
  const std::uint64_t rows = intents.size();
  const bool nothing_else =
      sqlite3_total_changes64(raw) - changes == static_cast<std::int64_t>(rows) &&
      pending.receipt.position.value == before.last + rows;
  if (nothing_else && before.epoch == cursor.epoch && before.last == seen &&
      !before.rewound(seen, cursor.last_write))
    pending.follows = cursor;
  return pending;
}

}  // namespace querymark::sqlite
