#include "log_connection.hpp"

#include <algorithm>

#include "postgres_sql.hpp"
#include "querymark/log/fields.hpp"
#include "querymark/postgres/types.hpp"
#include "querymark/support/error.hpp"
#include "snapshot_text.hpp"
#include "values.hpp"

// States of the log's connection: none -> (open: connect, schema, adopt) -> standing -> none (any
// error that says the connection is lost, or a changed backend).
//
// One mutex guards the connection, so one statement is in flight at a time. Every statement is a
// transaction of its own: each has a snapshot of its own whatever default_transaction_isolation
// says, and the claim of a segment and the snapshot that bounds it can't share one. Statements are
// prepared on each connection at their first use: planning the tail takes longer than running it.

namespace querymark::postgres {

LogState state_of(const Row& row) {
  return {.epoch = epoch_of(row["epoch"]),
          .adopted = row["adopted"].as<bool>(),
          .pruned = snapshot_of(row["pruned"]),
          .snapshot = snapshot_of(row["snapshot"]),
          .pid = row["pid"].as<int>(),
          .database_id = row["database_id"].as<std::string>()};
}

Snapshot snapshot_of(const Field& field) {
  auto snapshot = parse_snapshot(field.view());
  if (!snapshot) throw Error("not a snapshot: " + std::string(field.view()));
  return *std::move(snapshot);
}

std::optional<Cursor> cursor_of(const Row& row) {
  if (row["epoch"].is_null()) return std::nullopt;
  return Cursor{epoch_of(row["epoch"]), snapshot_of(row["cursor"]), {}};
}

LogPage page_of(const ResultSet& set) {
  require_meta(set);
  LogPage found{.state = state_of(set.row(0)), .rows = {}};
  for (const Row row : set) {
    if (row["id"].is_null()) break;  // the state alone
    const Field target = row["target"];
    found.rows.push_back({.id = row["id"].as<std::uint64_t>(),
                          .position = parse_position(row["xid"].view()),
                          .write = {static_cast<std::uint64_t>(row["write_id"].as<std::int64_t>())},
                          .target = target.is_null()
                                        ? std::nullopt
                                        : Target::from_log(row["kind"].view(), target.view())});
  }
  return found;
}

Beaten beaten_of(const ResultSet& set) {
  const Row row = set.row(0);
  return {.known = row["known"].as<bool>(), .live = row["live"].as<std::optional<std::uint64_t>>()};
}

std::vector<std::string> in_progress_of(const Cursor& cursor, Position after) {
  std::vector<std::string> in_progress;
  for (const Position position : cursor.snapshot.in_progress())
    if (position > after) in_progress.push_back(std::to_string(position.value));
  return in_progress;
}

std::uint64_t last_of(const Cursor& cursor) { return cursor.snapshot.limit().value - 1; }

void require_meta(const ResultSet& set) {
  if (set.empty()) throw SchemaError("querymark.meta is empty; restore it or migrate anew");
}

bool rewound(const Cursor& known, const LogState& found) {
  return known.epoch == found.epoch && known.snapshot.limit() > found.snapshot.limit();
}

LogConnection::LogConnection(std::string url, std::string namespace_name, LogOptions options)
    : url_(std::move(url)),
      namespace_name_(std::move(namespace_name)),
      options_(std::move(options)) {
  static_cast<void>(standing());
}

ResultSet LogConnection::query(const SqlStatement& sql,
                               std::initializer_list<ParameterView> values) {
  return standing().query_named(sql, values);
}

std::int64_t LogConnection::execute(const SqlStatement& sql,
                                    std::initializer_list<ParameterView> values) {
  return standing().execute_named(sql, values);
}

int LogConnection::backend_pid() const noexcept {
  return connection_ && connection_->open() ? connection_->pid() : 0;
}

void LogConnection::tell_history_changed() const {
  if (options_.on_history_change) options_.on_history_change();
}

Connection& LogConnection::standing(const std::optional<Cursor>& known) {
  if (connection_ && connection_->open()) return *connection_;
  connection_.reset();
  auto fresh = std::make_unique<Connection>(
      url_, Connection::Settings{.connect_timeout = options_.connect_timeout,
                                 .statement_timeout = options_.statement_timeout});
  if (fresh->proxied())
    throw ConfigError("the log needs a server session of its own, and " + fresh->label() +
                      " leads to a pooling proxy; name the server itself in direct_url");
  pin_own_session(*fresh, options_.statement_timeout);
  require_schema(*fresh);
  static_cast<void>(fresh->query(sql::pin_log_session));
  const std::string epoch = known ? known->epoch.hex() : std::string();
  const std::string limit = std::to_string(known ? known->snapshot.limit().value : 0);
  static_cast<void>(fresh->query(sql::adopt, {as_parameter(epoch), as_parameter(limit)}));
  connection_ = std::move(fresh);
  return *connection_;
}

LogState LogConnection::look() {
  const ResultSet set = query(sql::log_state);
  require_meta(set);
  return state_of(set.row(0));
}

LogState LogConnection::state(const std::optional<Cursor>& known) {
  LogState found = look();
  if (proves(found) && !(known && rewound(*known, found))) return found;
  connection_.reset();
  static_cast<void>(standing(known));
  found = look();
  if (!found.adopted || (known && rewound(*known, found)))
    throw Error("the epoch changes faster than it can be read; try again");
  return found;
}

bool LogConnection::proves(const LogState& found) const {
  return found.adopted && found.pid == connection_->pid();
}

LogPage LogConnection::page(const Cursor& from, const std::optional<Cursor>& upto,
                            const std::optional<LogRow>& after, std::size_t limit,
                            const std::optional<Heartbeat>& beat) {
  const Position last_page = after ? after->position : Position{};
  const std::uint64_t low = std::max(last_of(from), last_page.value);
  const OwnedParameter in_progress = as_parameter(in_progress_of(from, last_page));
  const std::string low_text = std::to_string(low);
  const std::string upto_text = upto ? snapshot_text(upto->snapshot) : std::string();
  const std::string resume_text = std::to_string(last_page.value);
  const std::initializer_list<ParameterView> values = {
      as_parameter(namespace_name_),
      as_parameter(low_text),
      in_progress,
      upto ? as_parameter(upto_text) : ParameterView(),
      as_parameter(resume_text),
      as_parameter(after ? after->id : 0),
      as_parameter(limit)};
  if (!beat) return page_of(query(sql::log_page, values));
  const std::string epoch = from.epoch.hex();
  const std::string cursor = snapshot_text(from.snapshot);
  const auto [page, beaten] = standing().query_named(
      {sql::log_page, values},
      {sql::subscriber_beat,
       {as_parameter(static_cast<std::int64_t>(beat->id.value)), as_parameter(epoch),
        as_parameter(cursor), as_parameter(beat->count_live)}});
  LogPage found = page_of(page);
  found.beaten = beaten_of(beaten);
  return found;
}

}  // namespace querymark::postgres
