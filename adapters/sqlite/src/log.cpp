#include "querymark/sqlite/log.hpp"

#include <sqlite3.h>

#include <atomic>
#include <mutex>

#include "connection.hpp"
#include "file_claim.hpp"
#include "log_state.hpp"
#include "querymark/sqlite/url.hpp"
#include "querymark/support/random.hpp"
#include "schema.hpp"
#include "sqlite_sql.hpp"

namespace querymark::sqlite {
namespace {

struct Meta {
  std::string database_id;
  Epoch epoch;
  FileClaim claim;
  std::optional<std::string> volatile_boot;  // set once anyone commits below FULL
};

// What a file needs before it is trusted to be what its rows say.
enum class Adoption : std::uint8_t {
  none,
  refresh,       // it is the file that was claimed; something of the claim is new
  new_epoch,     // a reboot may have taken commits back
  new_identity,  // a copy, or never opened: what it says of itself is another file's
};

struct ConsumerRow {
  std::optional<Epoch> epoch;
  std::uint64_t cursor_id = 0;
  WriteId cursor_witness;
  std::string owner;
  std::int64_t lease_until = 0;
  std::int64_t now = 0;

  // A lease that ends later than any may is one of a clock that was wrong.
  [[nodiscard]] bool held_by_another(const std::string& me) const {
    return !owner.empty() && owner != me && lease_until > now &&
           lease_until - now <= kLongestLease.count();
  }
};

}  // namespace

struct Log::State {
  std::string path;
  std::string namespace_name;
  LogOptions options;
  std::mutex mutex;  // guards what follows
  std::string database_id;
  Epoch adopted;  // the epoch under which the file was last proved to be its own
  std::unique_ptr<Connection> connection;
  std::optional<FileIdentity> wal;  // the write-ahead log that is open, once there was one

  std::atomic<bool> split{false};  // as of the last look
  mutable std::mutex file_mutex;   // guards open_file; innermost
  FileIdentity open_file;          // the connection's

  // Everything below requires the mutex.

  ResultSet query(const SqlStatement& sql, std::initializer_list<ParameterView> values = {}) {
    return connection->query(sql, {values.begin(), values.size()});
  }
  std::int64_t execute(const SqlStatement& sql, std::initializer_list<ParameterView> values = {}) {
    return connection->execute(sql, {values.begin(), values.size()});
  }

  Meta meta() {
    const ResultSet set = query(sql::meta);
    if (set.empty())
      throw SchemaError(path + ": querymark_meta is empty; restore it or migrate anew");
    const Row row = set.row(0);
    const auto text = [&](std::size_t column) {
      return row[column].as<std::optional<std::string>>().value_or("");
    };
    return {.database_id = text(0),
            .epoch = epoch_of(row[1]),
            .claim = {.file = text(2), .birth = text(4), .machine = text(5), .boot = text(6)},
            .volatile_boot = row[3].as<std::optional<std::string>>()};
  }

  // As the file says. Where it was restored from a backup of another schema, that is what to say.
  LogState look(std::uint64_t cursor_id) {
    try {
      return state_of(query(sql::log_state, {as_parameter(cursor_id)}), path);
    } catch (const Error& failure) {
      if (!failure.connection_lost() && !failure.retryable()) require_schema(*connection, path);
      throw;
    }
  }

  // An epoch that is new here may have come with the content of another file.
  LogState state(std::uint64_t cursor_id) {
    LogState found = look(cursor_id);
    if (found.epoch == adopted) return found;
    adopt();
    return look(cursor_id);
  }

  void start_epoch() {
    const std::string epoch = Epoch::random().hex();
    execute(sql::replace_epoch, {as_parameter(epoch)});
    execute(sql::empty_log);
  }

  [[nodiscard]] Adoption needed(const Meta& found, const FileClaim& now) const {
    if (!same_file(found.claim, now)) return Adoption::new_identity;
    if (found.volatile_boot && *found.volatile_boot != now.boot) return Adoption::new_epoch;
    if (found.claim != now || (options.volatile_commits && !found.volatile_boot))
      return Adoption::refresh;
    return Adoption::none;
  }

  // Makes identity and epoch those of this very file, on this boot of the machine.
  void adopt() {
    const FileClaim now = claim_on(connection->identity());
    Meta found = meta();
    if (needed(found, now) != Adoption::none) found = claim_file(now);
    database_id = found.database_id;
    adopted = found.epoch;
  }

  Meta claim_file(const FileClaim& now) {
    Adoption need = needed(meta(), now);
    try {
      ScopedTransaction transaction(*connection, ScopedTransaction::Kind::write);
      const Meta found = meta();  // another process may have been faster
      need = needed(found, now);
      if (need == Adoption::new_identity) {
        const std::string id = Epoch::random().hex();
        execute(sql::replace_database_id, {as_parameter(id)});
      }
      if (need == Adoption::new_identity || need == Adoption::new_epoch) start_epoch();
      const auto optional = [](const std::string& text) {
        return text.empty() ? ParameterView() : as_parameter(text);
      };
      const bool keep_boot = options.volatile_commits || found.volatile_boot;
      execute(sql::claim_file,
              {as_parameter(now.file), optional(now.birth), optional(now.machine),
               optional(now.boot), keep_boot ? optional(now.boot) : ParameterView()});
      transaction.commit();
    } catch (const Error& failure) {
      if (!failure.native_code().starts_with("SQLITE_READONLY")) throw;
      if (need != Adoption::refresh)
        throw Error(path +
                        " is read-only, and a copy, a restore or never opened before: it needs an "
                        "identity of its own; make the file and its folder writable",
                    {.native_code = failure.native_code()});
    }
    return meta();
  }

  void open() {
    connection.reset();
    connection = std::make_unique<Connection>(
        path, Connection::Use::log, Connection::Settings{.busy_timeout = options.busy_timeout});
    require_schema(*connection, path);
    adopt();
    wal = identity_of(wal_name());
    split.store(false);
    const std::lock_guard lock(file_mutex);
    open_file = connection->identity();
  }

  [[nodiscard]] std::string wal_name() const {
    const char* file = sqlite3_db_filename(connection->native().getHandle(), "main");
    return std::string(file != nullptr ? file : path.c_str()) + "-wal";
  }

  // While a connection is open nobody may delete the write-ahead log, and SQLite does not: who does
  // all the same (a careless script; a second copy of SQLite in one process, or whoever closes a
  // file past SQLite, by which all its locks are dropped) leaves this process with the old one, and
  // others start a new one. Neither side sees the other's commits. A new connection would not help:
  // within a process it shares the old one's index.
  void require_whole() {
    const auto now = identity_of(wal_name());
    if (!wal) wal = now;
    split.store(now != wal);
    if (now != wal)
      throw Error("the write-ahead log of " + path +
                      " was deleted or replaced while it is open: commits of other processes can't "
                      "be seen any more, and those of this one may be lost; close it everywhere, "
                      "then open it anew",
                  {.connection_lost = true});
  }

  [[nodiscard]] bool replaced() const {
    const auto now = identity_of(path);
    return !connection || !now || *now != connection->identity() || connection->moved();
  }

  void follow_path() {
    if (!replaced()) return require_whole();
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
    const LogState now = look(id);
    if (now.epoch == epoch && now.rewound(id, seen)) start_epoch();
    transaction.commit();
  }

  // True when rows behind `after`, up to `last`, are missing: nobody has said so by the floor.
  bool has_gap(std::uint64_t after, std::uint64_t last) {
    const ResultSet set = query(sql::log_rows, {as_parameter(after), as_parameter(last)});
    return set.row(0)[0].as<std::uint64_t>() != last - after;
  }

  std::optional<ConsumerRow> consumer(const std::string& name) {
    const ResultSet set = query(sql::consumer, {as_parameter(namespace_name), as_parameter(name)});
    if (set.empty()) return std::nullopt;
    const Row row = set.row(0);
    ConsumerRow found;
    if (!row[0].is_null()) found.epoch = epoch_of(row[0]);
    found.cursor_id = row[1].as<std::uint64_t>();
    found.cursor_witness = write_id_of(row[2].as<std::int64_t>());
    found.owner = row[3].as<std::optional<std::string>>().value_or("");
    found.lease_until = row[4].as<std::int64_t>();
    found.now = row[5].as<std::int64_t>();
    return found;
  }
};

Log::Log(const std::string& path, std::string namespace_name, LogOptions options)
    : state_(std::make_unique<State>()) {
  state_->path = path_of(path);
  state_->namespace_name = std::move(namespace_name);
  state_->options = std::move(options);
  state_->open();
}

Log::~Log() = default;

bool Log::is_of(const FileIdentity& file) const noexcept {
  const std::lock_guard lock(state_->file_mutex);
  return state_->open_file == file;
}

bool Log::split() const noexcept { return state_->split.load(std::memory_order_relaxed); }

std::string Log::database_id() const {
  const std::lock_guard lock(state_->mutex);
  return state_->database_id;
}

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
    page.rows.clear();
    page.more = false;
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
  const LogState state = state_->look(from);
  page.floor = Position{state.floor};
  const bool other_epoch = state.epoch != request.from.epoch;
  if (other_epoch || state.rewound(from, request.from.last_write)) {
    transaction.commit();
    if (!other_epoch) state_->replace_if_rewound(state.epoch, from, request.from.last_write);
    if (state_->options.on_history_change) state_->options.on_history_change();
    return restart_at(TailStatus::history_changed);
  }
  if (from + 1 < state.floor) {
    transaction.commit();
    return restart_at(TailStatus::pruned);
  }
  page.upto = request.upto.value_or(state.cursor());
  const std::uint64_t after = request.after ? request.after->id : from;
  const ResultSet rows = state_->query(
      sql::log_page, {as_parameter(after), as_parameter(last_id(page.upto)),
                      as_parameter(state_->namespace_name), as_parameter(request.limit + 1)});
  for (const Row row : rows) {
    if (page.rows.size() == request.limit) {
      page.more = true;
      break;
    }
    const auto id = row[0].as<std::uint64_t>();
    page.rows.push_back({.id = id,
                         .position = Position{id},
                         .write = write_id_of(row[3].as<std::int64_t>()),
                         .target = row[2].is_null()
                                       ? std::nullopt
                                       : Target::from_log(row[1].view(), row[2].view())});
  }
  const std::uint64_t last = page.more ? page.rows.back().id : last_id(page.upto);
  if (state_->has_gap(after, last)) {
    transaction.commit();
    return restart_at(TailStatus::pruned);
  }
  return page;
}

bool Log::holds(const Receipt& receipt) {
  const std::lock_guard lock(state_->mutex);
  state_->follow_path();
  // State and row in one snapshot.
  ScopedTransaction transaction(*state_->connection, ScopedTransaction::Kind::read);
  if (state_->look(0).epoch != receipt.epoch) return false;
  const ResultSet found = state_->query(
      sql::confirm_write, {as_parameter(receipt.position.value),
                           as_parameter(static_cast<std::int64_t>(receipt.write.value))});
  return found.row(0)[0].as<int>() == 1;
}

bool Log::refutes(const Receipt& receipt) {
  const std::lock_guard lock(state_->mutex);
  state_->follow_path();
  ScopedTransaction transaction(*state_->connection, ScopedTransaction::Kind::read);
  const LogState state = state_->look(0);
  if (state.epoch != receipt.epoch) return true;
  if (receipt.position.value < state.floor) return false;  // what was there, nobody can tell
  const ResultSet found = state_->query(sql::write_at, {as_parameter(receipt.position.value)});
  return found.empty() || write_id_of(found.row(0)[0].as<std::int64_t>()) != receipt.write;
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
  require_lease(lease);
  const std::lock_guard lock(state_->mutex);
  state_->follow_path();
  // A cheap read first: no write lock is taken when nothing is new.
  auto row = state_->consumer(consumer);
  if (!row) {
    state_->execute(sql::consumer_register,
                    {as_parameter(state_->namespace_name), as_parameter(consumer)});
    row = state_->consumer(consumer);
    if (!row) throw Error("the consumer " + consumer + " vanished from querymark_consumer");
  }
  if (row->held_by_another(owner)) return {ClaimStatus::held_elsewhere, {}};
  LogState state = state_->state(row->cursor_id);
  if (row->epoch == state.epoch && state.rewound(row->cursor_id, row->cursor_witness)) {
    state_->replace_if_rewound(state.epoch, row->cursor_id, row->cursor_witness);
    state = state_->state(row->cursor_id);
  }
  const bool current = row->epoch == state.epoch && row->cursor_id + 1 >= state.floor;
  if (current && row->cursor_id == state.last) return {ClaimStatus::nothing_new, {}};

  Claim claim{.consumer = consumer, .token = WriteId{random_u64()}};
  {
    ScopedTransaction transaction(*state_->connection, ScopedTransaction::Kind::write);
    row = state_->consumer(consumer);
    if (!row || row->held_by_another(owner)) return {ClaimStatus::held_elsewhere, {}};
    state_->execute(
        sql::consumer_claim,
        {as_parameter(state_->namespace_name), as_parameter(consumer), as_parameter(owner),
         as_parameter(stored(claim.token)), as_parameter(lease.count())});
    transaction.commit();
  }
  // The snapshot that bounds the segment, in a later statement than the lock's.
  state = state_->state(row->cursor_id);
  claim.upto = state.cursor();
  claim.flush_first = row->epoch != state.epoch || row->cursor_id + 1 < state.floor ||
                      state_->has_gap(row->cursor_id, state.last);
  claim.from = claim.flush_first
                   ? claim.upto
                   : Cursor{state.epoch, Snapshot::upto({row->cursor_id}), row->cursor_witness};
  return {ClaimStatus::claimed, claim};
}

bool Log::advance(const Claim& claim) {
  const std::lock_guard lock(state_->mutex);
  const std::string epoch = claim.upto.epoch.hex();
  return state_->execute(
             sql::consumer_advance,
             {as_parameter(state_->namespace_name), as_parameter(claim.consumer),
              as_parameter(stored(claim.token)), as_parameter(epoch),
              as_parameter(last_id(claim.upto)), as_parameter(stored(claim.upto.last_write))}) == 1;
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

}  // namespace querymark::sqlite
