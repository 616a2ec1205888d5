#include "querymark/postgres/log.hpp"

#include <algorithm>
#include <mutex>
#include <vector>

#include "connection.hpp"
#include "postgres_sql.hpp"
#include "querymark/postgres/types.hpp"
#include "querymark/support/error.hpp"
#include "querymark/support/random.hpp"
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
namespace {

struct LogState {
  Epoch epoch;
  bool adopted = false;  // the epoch is this server's and its incarnation's
  Position floor;
  Snapshot snapshot;
  int pid = 0;
  std::string database_id;

  [[nodiscard]] Cursor cursor() const { return {epoch, snapshot, {}}; }
};

Epoch epoch_of(const Field& field) {
  const auto epoch = Epoch::parse(field.view());
  if (!epoch) throw SchemaError("the epoch in querymark.meta is not 32 hexadecimal digits");
  return *epoch;
}

Snapshot snapshot_of(const Field& field) {
  auto snapshot = parse_snapshot(field.view());
  if (!snapshot) throw Error("not a snapshot: " + std::string(field.view()));
  return *std::move(snapshot);
}

LogState state_of(const Row& row) {
  return {.epoch = epoch_of(row[0]),
          .adopted = row[1].as<bool>(),
          .floor = parse_position(row[2].view()),
          .snapshot = snapshot_of(row[3]),
          .pid = row[4].as<int>(),
          .database_id = row[5].as<std::string>()};
}

// The server has yet to give out ids that the cursor knows: it was put back to an earlier state.
bool rewound(const Cursor& known, const LogState& found) {
  return known.epoch == found.epoch && known.snapshot.limit() > found.snapshot.limit();
}

// What a consumer with this cursor has not seen may have been pruned: the floor lies above an id
// that was in progress, or that had yet to be given out.
bool pruned_past(const Cursor& cursor, Position floor) { return cursor.snapshot.horizon() < floor; }

// A cursor that covers nothing new for this many ids is moved along, so that its list of ids in
// progress does not grow old.
constexpr std::uint64_t kIdleStride = 65'536;

std::int64_t stored(WriteId id) { return static_cast<std::int64_t>(id.value); }

}  // namespace

struct Log::State {
  std::string url;
  std::string namespace_name;
  LogOptions options;
  std::mutex mutex;  // guards connection
  std::unique_ptr<Connection> connection;

  // Everything below requires the mutex.

  Connection& standing(const std::optional<Cursor>& known = std::nullopt) {
    if (connection && connection->open()) return *connection;
    connection.reset();
    auto fresh = std::make_unique<Connection>(
        url, Connection::Settings{.connect_timeout = options.connect_timeout,
                                  .statement_timeout = options.statement_timeout});
    if (fresh->proxied())
      throw ConfigError("the log needs a server session of its own, and " + fresh->label() +
                        " leads to a pooling proxy; name the server itself in direct_url");
    pin_own_session(*fresh, options.statement_timeout);
    require_schema(*fresh);
    static_cast<void>(fresh->query(sql::pin_log_session));
    const std::string epoch = known ? known->epoch.hex() : std::string();
    const std::string limit = std::to_string(known ? known->snapshot.limit().value : 0);
    static_cast<void>(fresh->query(sql::adopt, {as_parameter(epoch), as_parameter(limit)}));
    connection = std::move(fresh);
    return *connection;
  }

  ResultSet query(const SqlStatement& sql, std::initializer_list<ParameterView> values = {}) {
    return standing().query_named(sql, values);
  }
  std::int64_t execute(const SqlStatement& sql, std::initializer_list<ParameterView> values = {}) {
    return standing().execute_named(sql, values);
  }

  LogState look() {
    const ResultSet set = query(sql::log_state);
    require_meta(set);
    return state_of(set.row(0));
  }
  // The state, after making sure that the epoch is this history's, and that of whoever has `known`.
  LogState state(const std::optional<Cursor>& known = std::nullopt) {
    LogState found = look();
    if (proves(found) && !(known && rewound(*known, found))) return found;
    connection.reset();
    static_cast<void>(standing(known));
    found = look();
    if (!found.adopted || (known && rewound(*known, found)))
      throw Error("the epoch changes faster than it can be read; try again");
    return found;
  }

  static void require_meta(const ResultSet& set) {
    if (set.empty()) throw SchemaError("querymark.meta is empty; restore it or migrate anew");
  }

  // Behind a proxy that switches servers the backend changes under a standing connection.
  [[nodiscard]] bool proves(const LogState& found) const {
    return found.adopted && found.pid == connection->pid();
  }

  struct Page {
    LogState state;
    std::vector<LogRow> rows;
  };
  Page page(const Cursor& from, const std::optional<Cursor>& upto,
            const std::optional<LogRow>& after, std::size_t limit) {
    const Position last_page = after ? after->position : Position{};
    const std::uint64_t low = std::max(from.snapshot.limit().value - 1, last_page.value);
    std::vector<std::string> in_progress;
    for (const Position position : from.snapshot.in_progress())
      if (position > last_page) in_progress.push_back(std::to_string(position.value));
    const std::string low_text = std::to_string(low);
    const std::string upto_text = upto ? snapshot_text(upto->snapshot) : std::string();
    const std::string resume_text = std::to_string(last_page.value);
    const ResultSet set =
        query(sql::log_page,
              {as_parameter(namespace_name), as_parameter(low_text), as_parameter(in_progress),
               upto ? as_parameter(upto_text) : ParameterView(), as_parameter(resume_text),
               as_parameter(after ? after->id : 0), as_parameter(limit)});
    require_meta(set);
    Page found{state_of(set.row(0)), {}};
    for (const Row row : set) {
      if (row[6].is_null()) break;  // the state alone
      found.rows.push_back({.id = row[6].as<std::uint64_t>(),
                            .position = parse_position(row[7].view()),
                            .write = {static_cast<std::uint64_t>(row[10].as<std::int64_t>())},
                            .target = row[9].is_null()
                                          ? std::nullopt
                                          : Target::from_log(row[8].view(), row[9].view())});
    }
    return found;
  }

  struct ConsumerRow {
    std::optional<Cursor> cursor;
    bool held = false;
    std::string owner;
  };
  static std::optional<Cursor> cursor_of(const Field& epoch, const Field& snapshot) {
    if (epoch.is_null()) return std::nullopt;
    return Cursor{epoch_of(epoch), snapshot_of(snapshot), {}};
  }
  std::optional<ConsumerRow> consumer(const std::string& name) {
    const ResultSet set = query(sql::consumer, {as_parameter(namespace_name), as_parameter(name),
                                                as_parameter(kLongestLease.count())});
    if (set.empty()) return std::nullopt;
    const Row row = set.row(0);
    return ConsumerRow{.cursor = cursor_of(row[0], row[1]),
                       .held = row[3].as<bool>(),
                       .owner = row[2].as<std::optional<std::string>>().value_or("")};
  }
};

Log::Log(std::string url, std::string namespace_name, LogOptions options)
    : state_(std::make_unique<State>()) {
  state_->url = std::move(url);
  state_->namespace_name = std::move(namespace_name);
  state_->options = std::move(options);
  static_cast<void>(state_->standing());
}

Log::~Log() = default;

int Log::backend_pid() const {
  const std::lock_guard lock(state_->mutex);
  return state_->connection && state_->connection->open() ? state_->connection->pid() : 0;
}

LogIdentity Log::identity() {
  const std::lock_guard lock(state_->mutex);
  const LogState state = state_->state();
  return {state.database_id, state.epoch};
}

Cursor Log::now() {
  const std::lock_guard lock(state_->mutex);
  return state_->state().cursor();
}

Cursor Log::retained() {
  const std::lock_guard lock(state_->mutex);
  const LogState state = state_->state();
  return {state.epoch, Snapshot(state.floor, state.floor, {}), {}};
}

bool Log::holds(const Receipt& receipt) {
  const std::lock_guard lock(state_->mutex);
  const std::string position = std::to_string(receipt.position.value);
  const ResultSet found = state_->query(
      sql::confirm_write, {as_parameter(position), as_parameter(stored(receipt.write))});
  State::require_meta(found);
  return epoch_of(found.row(0)[0]) == receipt.epoch && found.row(0)[1].as<bool>();
}

TailPage Log::read(const TailRequest& request) {
  const std::lock_guard lock(state_->mutex);
  auto found = state_->page(request.from, request.upto, request.after, request.limit + 1);
  TailPage page;
  page.floor = found.state.floor;
  const Cursor& known = request.upto.value_or(request.from);
  const auto stands = [&] {
    return state_->proves(found.state) && found.state.epoch == request.from.epoch &&
           !rewound(request.from, found.state) && !rewound(known, found.state);
  };
  if (!stands()) {
    const LogState now = state_->state(known);
    if (now.epoch != request.from.epoch) {
      if (state_->options.on_history_change) state_->options.on_history_change();
      page.status = TailStatus::history_changed;
      // Taken after the old connections were told to go.
      page.upto = state_->state().cursor();
      return page;
    }
    // The same history on another backend: what was read before the proof does not count.
    found = state_->page(request.from, request.upto, request.after, request.limit + 1);
    if (!stands())
      throw Error(
          "the log's server changes faster than it can be read; give the subscriber a direct "
          "connection (direct_url)",
          {.retryable = true, .connection_lost = true});
    page.floor = found.state.floor;
  }
  if (pruned_past(request.from, found.state.floor)) {
    page.status = TailStatus::pruned;
    page.upto = found.state.cursor();
    return page;
  }
  page.upto = request.upto.value_or(found.state.cursor());
  page.more = found.rows.size() > request.limit;
  if (page.more) found.rows.resize(request.limit);
  page.rows = std::move(found.rows);
  return page;
}

ClaimResult Log::claim(const std::string& consumer, const std::string& owner,
                       std::chrono::milliseconds lease) {
  require_lease(lease);
  const std::lock_guard lock(state_->mutex);
  // A cheap read first: nothing is written when nothing is new.
  auto row = state_->consumer(consumer);
  if (!row) {
    state_->execute(sql::consumer_register,
                    {as_parameter(state_->namespace_name), as_parameter(consumer)});
    row = state_->consumer(consumer);
    if (!row) throw Error("the consumer " + consumer + " vanished from querymark.consumer");
  }
  if (row->held && row->owner != owner) return {ClaimStatus::held_elsewhere, {}};
  if (row->cursor) {
    const auto found = state_->page(*row->cursor, std::nullopt, std::nullopt, 1);
    const bool current = state_->proves(found.state) && found.state.epoch == row->cursor->epoch &&
                         !rewound(*row->cursor, found.state) &&
                         !pruned_past(*row->cursor, found.state.floor);
    const bool fresh =
        found.state.snapshot.limit().value < row->cursor->snapshot.limit().value + kIdleStride;
    if (current && found.rows.empty() && fresh) return {ClaimStatus::nothing_new, {}};
  }
  Claim claim{.consumer = consumer, .token = WriteId{random_u64()}};
  const ResultSet taken = state_->query(
      sql::consumer_claim, {as_parameter(state_->namespace_name), as_parameter(consumer),
                            as_parameter(owner), as_parameter(stored(claim.token)),
                            as_parameter(lease.count()), as_parameter(kLongestLease.count())});
  if (taken.empty()) return {ClaimStatus::held_elsewhere, {}};
  const auto cursor = State::cursor_of(taken.row(0)[0], taken.row(0)[1]);
  // The snapshot that bounds the segment, in a later statement than the lock's.
  const LogState now = state_->state(cursor);
  claim.upto = now.cursor();
  claim.flush_first = !cursor || cursor->epoch != now.epoch || pruned_past(*cursor, now.floor);
  claim.from = claim.flush_first ? claim.upto : *cursor;
  return {ClaimStatus::claimed, claim};
}

bool Log::advance(const Claim& claim) {
  const std::lock_guard lock(state_->mutex);
  const std::string epoch = claim.upto.epoch.hex();
  const std::string cursor = snapshot_text(claim.upto.snapshot);
  return state_->execute(
             sql::consumer_advance,
             {as_parameter(state_->namespace_name), as_parameter(claim.consumer),
              as_parameter(stored(claim.token)), as_parameter(epoch), as_parameter(cursor)}) == 1;
}

bool Log::renew(const Claim& claim, std::chrono::milliseconds lease) {
  require_lease(lease);
  const std::lock_guard lock(state_->mutex);
  return state_->execute(sql::consumer_renew,
                         {as_parameter(state_->namespace_name), as_parameter(claim.consumer),
                          as_parameter(stored(claim.token)), as_parameter(lease.count())}) == 1;
}

void Log::release(const std::string& consumer, const std::string& owner) {
  const std::lock_guard lock(state_->mutex);
  state_->execute(sql::consumer_release, {as_parameter(state_->namespace_name),
                                          as_parameter(consumer), as_parameter(owner)});
}

}  // namespace querymark::postgres
