#include "log_file.hpp"

#include <sqlite3.h>

#include "querymark/log/fields.hpp"
#include "querymark/sqlite/url.hpp"
#include "schema.hpp"
#include "sqlite_sql.hpp"
#include "sqlite_subscribers_sql.hpp"

namespace querymark::sqlite {

LogFile::LogFile(const std::string& path, std::string namespace_name, LogOptions options)
    : path_(path_of(path)),
      namespace_name_(std::move(namespace_name)),
      options_(std::move(options)),
      subscribers_(options_.busy_timeout) {
  open();
}

bool LogFile::is_of(const FileIdentity& file) const noexcept {
  const MutexLock lock(file_mutex_);
  return open_file_ == file;
}

Connection& LogFile::connection() {
  if (!connection_)
    throw Error("cannot reach " + path_ + ": what lies there could not be opened",
                {.connection_lost = true});
  return *connection_;
}

ResultSet LogFile::query(const SqlStatement& sql, std::initializer_list<ParameterView> values) {
  return connection().query(sql, {values.begin(), values.size()});
}

std::int64_t LogFile::execute(const SqlStatement& sql,
                              std::initializer_list<ParameterView> values) {
  return connection().execute(sql, {values.begin(), values.size()});
}

void LogFile::tell_history_changed() const {
  if (options_.on_history_change) options_.on_history_change();
}

LogFile::Meta LogFile::meta() {
  const ResultSet set = query(sql::meta);
  if (set.empty())
    throw SchemaError(path_ + ": querymark_meta is empty; restore it or migrate anew");
  const Row row = set.row(0);
  const auto text = [&](std::string_view column) {
    return row[column].as<std::optional<std::string>>().value_or("");
  };
  return {.database_id = text("database_id"),
          .epoch = epoch_of(row["epoch"]),
          .claim = {.file = text("file_identity"),
                    .birth = text("file_birth"),
                    .machine = text("machine_id"),
                    .boot = text("boot_seen")},
          .volatile_boot = row["boot_id"].as<std::optional<std::string>>()};
}

// As the file says. Where it was restored from a backup of another schema, that is what to say.
LogState LogFile::look(std::uint64_t cursor_id) {
  try {
    return state_of(query(sql::log_state, {as_parameter(cursor_id)}), path_);
  } catch (const Error& failure) {
    if (!failure.connection_lost() && !failure.retryable()) require_schema(*connection_, path_);
    throw;
  }
}

// An epoch that is new here may have come with the content of another file.
LogState LogFile::state(std::uint64_t cursor_id) {
  LogState found = look(cursor_id);
  if (found.epoch != adopted_) {
    adopt();
    found = look(cursor_id);
  }
  if (!found.redefined) return found;
  tell_if_redefined();
  return look(cursor_id);
}

void LogFile::start_epoch() {
  const std::string epoch = Epoch::random().hex();
  execute(sql::replace_epoch, {as_parameter(epoch)});
  execute(sql::empty_log);
}

LogFile::Adoption LogFile::needed(const Meta& found, const FileClaim& now) const {
  if (!same_file(found.claim, now)) return Adoption::new_identity;
  if (found.volatile_boot && *found.volatile_boot != now.boot) return Adoption::new_epoch;
  if (found.claim != now || (options_.volatile_commits && !found.volatile_boot))
    return Adoption::refresh;
  return Adoption::none;
}

// Makes identity and epoch those of this very file, on this boot of the machine.
void LogFile::adopt() {
  const FileClaim now = claim_on(connection_->identity());
  Meta found = meta();
  if (needed(found, now) != Adoption::none) found = claim_file(now);
  database_id_ = found.database_id;
  adopted_ = found.epoch;
}

LogFile::Meta LogFile::claim_file(const FileClaim& now) {
  Adoption need = needed(meta(), now);
  try {
    ScopedTransaction transaction(*connection_, ScopedTransaction::Kind::write);
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
    const bool keep_boot = options_.volatile_commits || found.volatile_boot;
    execute(sql::claim_file,
            {as_parameter(now.file), optional(now.birth), optional(now.machine), optional(now.boot),
             keep_boot ? optional(now.boot) : ParameterView()});
    transaction.commit();
  } catch (const Error& failure) {
    if (!failure.native_code().starts_with("SQLITE_READONLY")) throw;
    if (need != Adoption::refresh)
      throw Error(path_ +
                      " is read-only, and a copy, a restore or never opened before: it needs an "
                      "identity of its own; make the file and its folder writable",
                  {.native_code = failure.native_code()});
  }
  return meta();
}

void LogFile::open() {
  connection_.reset();
  connection_ = std::make_unique<Connection>(
      path_, Connection::Use::log, Connection::Settings{.busy_timeout = options_.busy_timeout});
  try {
    require_schema(*connection_, path_);
    adopt();
  } catch (...) {  // the next look tries again, and says the same
    connection_.reset();
    throw;
  }
  wal_ = identity_of(wal_name());
  split_.store(false);
  const MutexLock lock(file_mutex_);
  open_file_ = connection_->identity();
}

SubscriberFile& LogFile::subscribers() {
  const char* file = sqlite3_db_filename(connection().native().getHandle(), "main");
  subscribers_.stand_beside(file != nullptr ? file : path_);
  return subscribers_;
}

Beaten LogFile::beat(const Heartbeat& beat, const Cursor& cursor) {
  const std::string epoch = cursor.epoch.hex();
  Beaten beaten;
  beaten.known = subscribers().execute(subscribers_sql::subscriber_beat,
                                       {as_parameter(static_cast<std::int64_t>(beat.id.value)),
                                        as_parameter(epoch), as_parameter(last_id(cursor))}) == 1;
  if (beat.count_live) {
    const ResultSet counted = subscribers().query(subscribers_sql::subscribers_live);
    beaten.live = counted.row(0)["live"].as<std::uint64_t>();
  }
  return beaten;
}

std::string LogFile::wal_name() const {
  const char* file = sqlite3_db_filename(connection_->native().getHandle(), "main");
  return std::string(file != nullptr ? file : path_.c_str()) + "-wal";
}

// While a connection is open nobody may delete the write-ahead log, and SQLite does not: who does
// all the same (a careless script; a second copy of SQLite in one process, or whoever closes a
// file past SQLite, by which all its locks are dropped) leaves this process with the old one, and
// others start a new one. Neither side sees the other's commits. A new connection would not help:
// within a process it shares the old one's index.
void LogFile::require_whole() {
  const auto now = identity_of(wal_name());
  if (!wal_) wal_ = now;
  split_.store(now != wal_);
  if (now != wal_)
    throw Error("the write-ahead log of " + path_ +
                    " was deleted or replaced while it is open: commits of other processes can't "
                    "be seen any more, and those of this one may be lost; close it everywhere, "
                    "then open it anew",
                {.connection_lost = true});
}

bool LogFile::replaced() const {
  const auto now = identity_of(path_);
  return !connection_ || !now || *now != connection_->identity() || connection_->moved();
}

void LogFile::follow_path() {
  if (!replaced()) return require_whole();
  // Missing: in the middle of a replacement, or gone. What is open stays open until there is
  // another file.
  if (!identity_of(path_))
    throw Error("cannot reach " + path_ + ": the file is missing", {.connection_lost = true});
  tell_history_changed();
  open();
}

// Another process may have found the rewind first, and started an epoch: looks again under the
// write lock.
void LogFile::replace_if_rewound(Epoch epoch, std::uint64_t id, WriteId seen) {
  ScopedTransaction transaction(*connection_, ScopedTransaction::Kind::write);
  const LogState now = look(id);
  if (now.epoch == epoch && now.rewound(id, seen)) start_epoch();
  transaction.commit();
}

void LogFile::tell_if_redefined() {
  ScopedTransaction transaction(*connection_, ScopedTransaction::Kind::write);
  if (!look(0).redefined) return;
  execute(sql::tell_definitions);
  execute(sql::told_definitions);
  transaction.commit();
}

// True when rows behind `after`, up to `last`, are missing: nobody has said so by the floor.
bool LogFile::has_gap(std::uint64_t after, std::uint64_t last) {
  const ResultSet set = query(sql::log_rows, {as_parameter(after), as_parameter(last)});
  return set.row(0)["rows"].as<std::uint64_t>() != last - after;
}

}  // namespace querymark::sqlite
