#include "log_connection.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "postgres_sql.hpp"
#include "querymark/log/fields.hpp"
#include "querymark/log/log_rows.hpp"
#include "querymark/postgres/types.hpp"
#include "querymark/support/error.hpp"
#include "snapshot_text.hpp"
#include "untranslatable.hpp"
#include "values.hpp"

// States of the log's connection: none -> (open: connect, schema, adopt, LISTEN) -> idle -> asked ->
// idle -> lost (an error that says so, a changed backend, a silence), none. Whoever asks over it
// next opens another: the doorbell alone never does, but returns from its wait, so that the log is
// read.
//
//   idle    nobody holds the mutex. The doorbell's waiter may sleep on the socket (Bell::watch).
//           A NOTIFY or a probe may be on its way (sent_), whose end nobody waits for.
//   asked   somebody holds the mutex, and the socket is out of the waiter's sight, so that answers
//           to others do not wake it. First the end of what is on its way is taken in. libpq hands
//           out with an answer what was rung for before and during it: whoever asked tells the
//           bell, and sends the ring that is due, so that a waiter who found the mutex taken is not
//           deaf or dumb as long as others ask.
//
// The mutex guards the connection and all that is said of it here; one statement is in flight at a
// time. The waiter only tries it, so that no wait outlasts its timeout while others connect or wait
// for an answer. The bell's own mutex is taken under it.
//
// NOTIFY takes a lock that each transaction with a NOTIFY of the cluster holds through its commit,
// and that may take as long as a synchronous standby is away. Ours gives it up after a moment, and
// commits without waiting itself: the tail's reads come after it on this connection.
//
// Every statement is a transaction of its own: each has a snapshot of its own whatever
// default_transaction_isolation says, and the claim of a segment and the snapshot that bounds it
// can't share one. Statements are prepared on each connection at their first use: planning the tail
// takes longer than running it.

namespace querymark::postgres {
namespace {

using std::chrono::nanoseconds;

constexpr std::string_view kLockNotAvailable = "55P03";
// Who logs in anew may be another: a session goes on as a role that was dropped, though one of its name comes back.
constexpr std::string_view kInsufficientPrivilege = "42501";

constexpr std::chrono::milliseconds kRingAgainAfter{100};
// A ring costs the server a transaction, and each listener a wake-up and a look: more than a small
// write does. One that comes after a silence is sent at once.
constexpr std::chrono::milliseconds kRingsApart{2};

}  // namespace

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
  const auto column = [&](std::string_view name) {
    const auto index = set.find_column(name);
    if (!index) throw Error("a statement of the log has no column " + std::string(name));
    return *index;
  };
  const std::size_t id = column("id"), xid = column("xid"), write = column("write_id");
  const std::size_t kind = column("kind"), text = column("target");
  found.rows.reserve(set.size());
  for (const Row row : set) {
    if (row[id].is_null()) continue;  // the state alone
    const Field target = row[text];
    append_row(found.rows,
               {.id = row[id].as<std::uint64_t>(),
                .position = parse_position(row[xid].view()),
                .write = {static_cast<std::uint64_t>(row[write].as<std::int64_t>())},
                .target = std::nullopt},
               row[kind].view(), target.is_null() ? std::string_view() : target.view());
  }
  const auto place = [](const LogRow& row) { return std::pair(row.position, row.id); };
  if (!std::ranges::is_sorted(found.rows, {}, place)) std::ranges::sort(found.rows, {}, place);
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

template <class Ask>
auto LogConnection::over(Ask&& ask) {
  Connection& connection = standing();
  finish_sent(connection);
  try {
    auto answer = ask(connection);
    heard_ = Clock::now();
    resume(connection);
    return answer;
  } catch (const Error& failure) {  // told to the bell, then rethrown
    if (failure.native_code() == kInsufficientPrivilege) connection.give_up();
    resume(connection);
    throw;
  } catch (...) {
    resume(connection);
    throw;
  }
}

LogConnection::LogConnection(std::string url, std::string namespace_name, LogOptions options)
    : url_(std::move(url)),
      namespace_name_(std::move(namespace_name)),
      options_(std::move(options)) {
  if (options_.connect_first) static_cast<void>(standing());
}

ResultSet LogConnection::query(const SqlStatement& sql,
                               std::initializer_list<ParameterView> values) {
  return over([&](Connection& connection) { return connection.query_named(sql, values); });
}

ResultSet LogConnection::query_for_people(const SqlStatement& sql,
                                          std::initializer_list<ParameterView> values) {
  try {
    return query(sql, values);
  } catch (const Error& failure) {
    if (!is_untranslatable(failure)) throw;
  }
  return over(
      [&](Connection& connection) { return connection.query_named_as_stored(sql, values); });
}

std::int64_t LogConnection::execute(const SqlStatement& sql,
                                    std::initializer_list<ParameterView> values) {
  return over([&](Connection& connection) { return connection.execute_named(sql, values); });
}

int LogConnection::backend_pid() const noexcept {
  return connection_ && connection_->open() ? connection_->pid() : 0;
}

void LogConnection::tell_history_changed() const {
  if (options_.on_history_change) options_.on_history_change();
}

Connection& LogConnection::standing(const std::optional<Cursor>& known) {
  if (connection_ && connection_->open()) return *connection_;
  close();
  if (!connects_.load(std::memory_order_relaxed))
    throw Error("the connection to the log was lost, and is not opened again: its user ends",
                {.connection_lost = true});
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
  known_ = {};
  if (listens_) listen(*connection_);
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
  close();
  static_cast<void>(standing(known));
  found = look();
  if (!found.adopted || (known && rewound(*known, found)))
    throw Error("the epoch changes faster than it can be read; try again");
  return found;
}

bool LogConnection::proves(const LogState& found) const {
  return found.adopted && found.pid == connection_->pid();
}

// Each commit of a transaction that has an id changes the snapshot, and nothing else changes what a
// page is proved by: the history, the floor, the rows. So the same snapshot on the same server is the
// same answer. While others commit all the time the question would be in vain: it is asked only after
// a page has shown a standstill.
bool LogConnection::unchanged(const Cursor& from) {
  if (!known_.quiet || known_.end != from || !connection_ || !connection_->open()) return false;
  const ResultSet found = query(sql::log_glance);
  const Row row = found.row(0);
  const std::string_view started = row["started"].view();
  known_.quiet = row["pid"].as<int>() == connection_->pid() && started == known_.started &&
                 snapshot_of(row["snapshot"]) == from.snapshot;
  if (known_.started.empty()) known_.started = started;
  return known_.quiet;
}

void LogConnection::remember(const Cursor& from, const LogState& found) {
  known_.quiet = from.epoch == found.epoch && from.snapshot == found.snapshot;
  known_.end = found.cursor();
  known_.floor = found.pruned.limit();
}

// Where a target can't be given out, those that surely can are read, and the others count as malformed.
LogPage LogConnection::page(const Cursor& from, const std::optional<Cursor>& upto,
                            const std::optional<LogRow>& after, std::size_t limit,
                            const std::optional<Heartbeat>& beat) {
  try {
    return page_with(Targets::all, from, upto, after, limit, beat);
  } catch (const Error& failure) {
    if (!is_untranslatable(failure)) throw;
  }
  return page_with(Targets::ascii, from, upto, after, limit, beat);
}

LogPage LogConnection::page_with(Targets targets, const Cursor& from,
                                 const std::optional<Cursor>& upto,
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
      as_parameter(limit),
      as_parameter(targets == Targets::ascii)};
  if (!beat) return page_of(query(sql::log_page, values));
  const std::string epoch = from.epoch.hex();
  const std::string cursor = snapshot_text(from.snapshot);
  const std::array beat_values{as_parameter(static_cast<std::int64_t>(beat->id.value)),
                               as_parameter(epoch), as_parameter(cursor),
                               as_parameter(beat->count_live)};
  const std::array calls{Connection::NamedCall{sql::log_page, {values.begin(), values.size()}},
                         Connection::NamedCall{sql::subscriber_beat, beat_values}};
  const std::vector<ResultSet> both =
      over([&](Connection& connection) { return connection.query_named(calls); });
  LogPage found = page_of(both[0]);
  found.beaten = beaten_of(both[1]);
  return found;
}

// --- the doorbell's part

bool LogConnection::attend(nanoseconds probe_interval) {
  if (!mutex_.try_lock()) return false;
  const MutexLock lock(mutex_, std::adopt_lock);
  const bool begins = !std::exchange(listens_, true);
  if (!connection_ || !connection_->open()) return true;  // whoever reads the log connects
  Connection& connection = *connection_;
  bell_.leave(connection.socket());
  try {
    if (begins) listen(connection);
    const bool answered = connection.take_notifications(
        [&](const Connection::Notification& notification)
            QUERYMARK_REQUIRES(mutex_) { note(connection, notification); });
    if (answered && sent_) {
      sent_.reset();
      heard_ = Clock::now();
    }
    if (sent_ && Clock::now() - *sent_ > options_.statement_timeout) {
      connection.give_up();
      lost("the server does not answer");
    } else if (!sent_ && Clock::now() - heard_ > probe_interval) {
      connection.send("", {});
      sent_ = Clock::now();
    }
  } catch (const Error& failure) {
    if (connection.open())
      sent_failed(failure);
    else
      lost(failure.what());
  }
  resume(connection);
  return true;
}

void LogConnection::listen(Connection& connection) {
  std::string problem;
  try {
    connection.run("listen querymark; listen querymark_report");
    const ResultSet channels = connection.query(sql::listening);
    if (channels.row(0)["channels"].as<int>() == 0 ||
        channels.row(0)["pid"].as<int>() != connection.pid())
      problem = "LISTEN does not last on " + connection.label() +
                ": a pooling proxy lends server sessions per transaction; name the server itself "
                "in direct_url";
  } catch (const Error& failure) {
    if (!connection.open()) throw;
    problem = failure.what();
  }
  bell_.set_problem(problem);
  heard_ = Clock::now();
  bell_.wake();  // what was committed before rang for nobody
  bell_.watch(connection.socket());
}

void LogConnection::note(Connection& connection, const Connection::Notification& notification) {
  heard_ = Clock::now();
  if (notification.payload != namespace_name_) return;
  if (notification.channel == "querymark_report")
    bell_.ask_report();
  else if (notification.pid != connection.pid())
    bell_.wake();
}

void LogConnection::finish_sent(Connection& connection) {
  if (!listens_) return;
  bell_.leave(connection.socket());
  if (!std::exchange(sent_, std::nullopt)) return;
  try {
    connection.finish_sent();
  } catch (const Error& failure) {
    if (!connection.open()) {
      lost(failure.what());
      throw;
    }
    sent_failed(failure);
  }
}

void LogConnection::sent_failed(const Error& failure) {
  sent_.reset();
  if (failure.native_code() != kLockNotAvailable) return;  // a hint that is lost
  bell_.give_ring_back();
  bell_.hold_rings(Clock::now() + kRingAgainAfter);
}

void LogConnection::send_ring(Connection& connection) {
  const auto now = Clock::now();
  if (sent_ || !bell_.is_to_ring() || bell_.rings_held(now).count() > 0) return;
  static_cast<void>(bell_.take_ring());
  bell_.hold_rings(now + kRingsApart);
  connection.send(sql::ring.text, {as_parameter(namespace_name_)});
  sent_ = now;
}

void LogConnection::resume(Connection& connection) noexcept {
  if (!listens_) return;
  try {
    if (connection.open()) {
      connection.hand_out_notifications(
          [&](const Connection::Notification& notification)
              QUERYMARK_REQUIRES(mutex_) { note(connection, notification); });
      send_ring(connection);
      bell_.watch(connection.socket());
    } else if (bell_.problem().empty()) {
      lost("the connection was lost");
    }
  } catch (const std::exception& failure) {
    bell_.give_ring_back();
    connection.give_up();  // whoever asks next opens another, which listens
    lost(failure.what());
  }
}

void LogConnection::lost(std::string_view why) {
  sent_.reset();
  bell_.set_problem(why);
  bell_.wake();  // whoever reads the log connects
}

void LogConnection::close() {
  if (connection_) bell_.leave(connection_->socket());
  connection_.reset();
  sent_.reset();
}

}  // namespace querymark::postgres
