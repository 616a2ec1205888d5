#include "querymark/sqlite/log.hpp"

#include <fstream>
#include <mutex>

#include "connection.hpp"
#include "log_state.hpp"
#include "querymark/sqlite/url.hpp"
#include "querymark/support/random.hpp"
#include "schema.hpp"

namespace querymark::sqlite {
namespace {

// Differs after every boot of the machine.
std::string boot_id() {
  std::ifstream in("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(in, id);
  return id;
}

struct Meta {
  std::string database_id;
  Epoch epoch;
  std::string file_identity;
  std::optional<std::string> boot_id;
  std::uint64_t floor = 1;
};

struct ConsumerRow {
  std::optional<Epoch> epoch;
  std::uint64_t cursor_id = 0;
  WriteId cursor_write;
  std::string owner;
  std::int64_t lease_until = 0;
  std::int64_t now = 0;

  [[nodiscard]] bool held_by_another(const std::string& me) const {
    return !owner.empty() && owner != me && lease_until > now;
  }
};

}  // namespace

struct Log::State {
  std::string path;
  std::string space;
  LogOptions options;
  std::string database_id;
  std::mutex mutex;  // guards connection
  std::unique_ptr<Connection> connection;

  // Everything below requires the mutex.

  ResultSet query(std::string_view name, std::initializer_list<ParameterView> values = {}) {
    return connection->query(statements().get(name), {values.begin(), values.size()});
  }
  std::int64_t execute(std::string_view name, std::initializer_list<ParameterView> values = {}) {
    return connection->execute(statements().get(name), {values.begin(), values.size()});
  }

  Meta meta() {
    const ResultSet set = query("meta");
    if (set.empty())
      throw SchemaError(path + ": querymark_meta is empty; restore it or migrate anew");
    const Row row = set.row(0);
    return {row[0].as<std::string>(), epoch_of(row[1]), row[2].as<std::string>(),
            row[3].as<std::optional<std::string>>(), row[4].as<std::uint64_t>()};
  }

  LogState state(std::uint64_t cursor_id) {
    return state_of(query("log_state", {as_parameter(cursor_id)}), path);
  }

  void start_epoch(const Meta& found) {
    const bool keep_boot = options.volatile_commits || found.boot_id;
    const std::string boot = boot_id();
    const std::string epoch = Epoch::random().hex();
    const std::string identity = connection->identity().str();
    execute("replace_epoch", {as_parameter(epoch), as_parameter(identity),
                              keep_boot ? as_parameter(boot) : ParameterView()});
    execute("empty_log");
  }

  // Makes the epoch that of this very file, on this boot of the machine.
  void adopt() {
    const std::string identity = connection->identity().str();
    const std::string boot = boot_id();
    const auto foreign = [&](const Meta& found) {
      return (!found.file_identity.empty() && found.file_identity != identity) ||
             (found.boot_id && *found.boot_id != boot);
    };
    const auto unclaimed = [&](const Meta& found) {
      return found.file_identity.empty() || (options.volatile_commits && !found.boot_id);
    };
    const Meta first_look = meta();
    database_id = first_look.database_id;
    if (!foreign(first_look) && !unclaimed(first_look)) return;
    ScopedTransaction transaction(*connection, ScopedTransaction::Kind::write);
    const Meta found = meta();
    if (foreign(found))
      start_epoch(found);
    else if (unclaimed(found))
      execute("adopt_identity", {as_parameter(identity),
                                 options.volatile_commits ? as_parameter(boot) : ParameterView()});
    transaction.commit();
  }

  void open() {
    connection.reset();
    connection = std::make_unique<Connection>(
        path, Connection::Use::log, Connection::Settings{.busy_timeout = options.busy_timeout});
    require_schema(*connection, path);
    adopt();
  }

  [[nodiscard]] bool replaced() const {
    const auto now = identity_of(path);
    return !connection || !now || *now != connection->identity();
  }

  void follow_path() {
    if (!replaced()) return;
    // Missing: in the middle of a replacement, or gone. What is open stays open until there is
    // another file.
    if (!identity_of(path))
      throw Error("cannot reach " + path + ": the file is missing", {.connection_lost = true});
    if (options.on_history_change) options.on_history_change();
    open();
  }

  // Another process may have found the rewind first, and started an epoch: looks again under the
  // write lock.
  void replace_if_rewound(Epoch epoch, std::uint64_t id, WriteId seen) {
    ScopedTransaction transaction(*connection, ScopedTransaction::Kind::write);
    const LogState now = state(id);
    if (now.epoch == epoch && now.rewound(id, seen)) start_epoch(meta());
    transaction.commit();
  }

  std::optional<ConsumerRow> consumer(const std::string& name) {
    const ResultSet set = query("consumer", {as_parameter(space), as_parameter(name)});
    if (set.empty()) return std::nullopt;
    const Row row = set.row(0);
    ConsumerRow found;
    if (!row[0].is_null()) found.epoch = epoch_of(row[0]);
    found.cursor_id = row[1].as<std::uint64_t>();
    found.cursor_write = write_id_of(row[2].as<std::int64_t>());
    found.owner = row[3].as<std::optional<std::string>>().value_or("");
    found.lease_until = row[5].as<std::int64_t>();
    found.now = row[6].as<std::int64_t>();
    return found;
  }
};

Log::Log(const std::string& path, std::string space, LogOptions options)
    : state_(std::make_unique<State>()) {
  state_->path = path_of(path);
  state_->space = std::move(space);
  state_->options = std::move(options);
  state_->open();
}

Log::~Log() = default;

const std::string& Log::database_id() const noexcept { return state_->database_id; }

Cursor Log::now() {
  const std::lock_guard lock(state_->mutex);
  state_->follow_path();
  return state_->state(0).cursor();
}

Cursor Log::retained() {
  const std::lock_guard lock(state_->mutex);
  state_->follow_path();
  const LogState state = state_->state(0);
  return {state.epoch, Snapshot::upto({state.floor - 1}), {}};
}

TailPage Log::read(const TailRequest& request) {
  const std::lock_guard lock(state_->mutex);
  state_->follow_path();
  const std::uint64_t from = last_id(request.from);
  TailPage page;
  const auto restart_at = [&](TailStatus status) {
    page.status = status;
    page.upto = state_->state(0).cursor();
    return page;
  };
  // Mostly nothing is new: one statement tells, which is a snapshot of its own.
  const LogState quick = state_->state(from);
  if (!request.upto && quick.last == from && quick.epoch == request.from.epoch &&
      !quick.rewound(from, request.from.last_write) && from + 1 >= quick.floor) {
    page.floor = Position{quick.floor};
    page.upto = quick.cursor();
    return page;
  }
  // State and rows in one snapshot.
  ScopedTransaction transaction(*state_->connection, ScopedTransaction::Kind::read);
  const LogState state = state_->state(from);
  page.floor = Position{state.floor};
  const bool other_epoch = state.epoch != request.from.epoch;
  if (other_epoch || state.rewound(from, request.from.last_write)) {
    transaction.commit();
    if (!other_epoch) state_->replace_if_rewound(state.epoch, from, request.from.last_write);
    if (state_->options.on_history_change) state_->options.on_history_change();
    return restart_at(TailStatus::history_changed);
  }
  if (from + 1 < state.floor) return restart_at(TailStatus::pruned);
  page.upto = request.upto.value_or(state.cursor());
  const std::uint64_t after = request.after ? request.after->id : from;
  const ResultSet rows =
      state_->query("log_page", {as_parameter(after), as_parameter(last_id(page.upto)),
                                 as_parameter(state_->space), as_parameter(request.limit + 1)});
  for (const Row row : rows) {
    if (page.rows.size() == request.limit) {
      page.more = true;
      break;
    }
    const auto id = row[0].as<std::uint64_t>();
    page.rows.push_back({.id = id,
                         .position = Position{id},
                         .write = write_id_of(row[3].as<std::int64_t>()),
                         .target = Target::from_log(row[1].view(), row[2].view())});
  }
  return page;
}

bool Log::holds(const Receipt& receipt) {
  const std::lock_guard lock(state_->mutex);
  state_->follow_path();
  // State and row in one snapshot.
  ScopedTransaction transaction(*state_->connection, ScopedTransaction::Kind::read);
  if (state_->state(0).epoch != receipt.epoch) return false;
  const ResultSet found = state_->query(
      "confirm_write", {as_parameter(receipt.position.value),
                        as_parameter(static_cast<std::int64_t>(receipt.write.value))});
  return found.row(0)[0].as<int>() == 1;
}

void Log::verify(const SharedStamp& stamp) {
  const std::lock_guard lock(state_->mutex);
  if (stamp.horizon == Position{}) return;
  const std::uint64_t id = stamp.horizon.value - 1;
  const LogState state = state_->state(id);
  if (state.epoch == stamp.epoch && state.rewound(id, stamp.witness))
    state_->replace_if_rewound(state.epoch, id, stamp.witness);
}

ClaimResult Log::claim(const std::string& consumer, const std::string& owner,
                       std::chrono::milliseconds lease) {
  const std::lock_guard lock(state_->mutex);
  state_->follow_path();
  // A cheap read first: no write lock is taken when nothing is new.
  auto row = state_->consumer(consumer);
  if (!row) {
    state_->execute("consumer_register", {as_parameter(state_->space), as_parameter(consumer)});
    row = state_->consumer(consumer);
    if (!row) throw Error("the consumer " + consumer + " vanished from querymark_consumer");
  }
  if (row->held_by_another(owner)) return {ClaimStatus::held_elsewhere, {}};
  LogState state = state_->state(row->cursor_id);
  if (row->epoch == state.epoch && state.rewound(row->cursor_id, row->cursor_write)) {
    state_->replace_if_rewound(state.epoch, row->cursor_id, row->cursor_write);
    state = state_->state(row->cursor_id);
  }
  const bool current = row->epoch == state.epoch && row->cursor_id + 1 >= state.floor;
  if (current && row->cursor_id == state.last) return {ClaimStatus::nothing_new, {}};

  Claim claim{.consumer = consumer, .token = WriteId{random_u64()}};
  {
    ScopedTransaction transaction(*state_->connection, ScopedTransaction::Kind::write);
    row = state_->consumer(consumer);
    if (!row || row->held_by_another(owner)) return {ClaimStatus::held_elsewhere, {}};
    state_->execute("consumer_claim",
                    {as_parameter(state_->space), as_parameter(consumer), as_parameter(owner),
                     as_parameter(stored(claim.token)), as_parameter(lease.count())});
    transaction.commit();
  }
  // The snapshot that bounds the segment, in a later statement than the lock's.
  state = state_->state(row->cursor_id);
  claim.upto = state.cursor();
  claim.flush_first = row->epoch != state.epoch || row->cursor_id + 1 < state.floor;
  claim.from = claim.flush_first
                   ? claim.upto
                   : Cursor{state.epoch, Snapshot::upto({row->cursor_id}), row->cursor_write};
  return {ClaimStatus::claimed, claim};
}

bool Log::advance(const Claim& claim) {
  const std::lock_guard lock(state_->mutex);
  const std::string epoch = claim.upto.epoch.hex();
  return state_->execute(
             "consumer_advance",
             {as_parameter(state_->space), as_parameter(claim.consumer),
              as_parameter(stored(claim.token)), as_parameter(epoch),
              as_parameter(last_id(claim.upto)), as_parameter(stored(claim.upto.last_write))}) == 1;
}

bool Log::renew(const Claim& claim, std::chrono::milliseconds lease) {
  const std::lock_guard lock(state_->mutex);
  return state_->execute("consumer_renew",
                         {as_parameter(state_->space), as_parameter(claim.consumer),
                          as_parameter(stored(claim.token)), as_parameter(lease.count())}) == 1;
}

void Log::release(const std::string& consumer, const std::string& owner) {
  const std::lock_guard lock(state_->mutex);
  state_->execute("consumer_release",
                  {as_parameter(state_->space), as_parameter(consumer), as_parameter(owner)});
}

}  // namespace querymark::sqlite
