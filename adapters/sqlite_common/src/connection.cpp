#include "connection.hpp"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "errors.hpp"
#include "querymark/support/random.hpp"
#include "sqlite_common_sql.hpp"

namespace querymark::sqlite {
namespace {

// Each connection is used by one thread at a time, which needs none of SQLite's own locks.
int open_flags(const Connection::Settings& settings) {
  // A cache of its own, also where the program has asked for shared ones: data_version tells
  // nothing of what connections of one cache do, and their locks on tables are errors instead of
  // waits.
  return SQLite::OPEN_READWRITE | SQLite::OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
         (settings.create ? SQLite::OPEN_CREATE : 0);
}

constexpr mode_t kOwnerOnly = 0600;

// Makes an empty file that its owner alone can read, whatever the umask; SQLite gives the -wal and
// -shm files the same mode. By mknod: whoever opens and closes a database past SQLite drops the
// locks that other connections of this process hold on it. Where mknod is not to be had the file is
// opened, as one that nobody else has yet.
void create_private(const std::string& path) noexcept {
  if (::mknod(path.c_str(), S_IFREG | kOwnerOnly, 0) != 0) {
    if (errno == EEXIST) return;
    const int file = ::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, kOwnerOnly);
    if (file < 0) return;  // SQLite tells why
    ::close(file);
  }
  ::chmod(path.c_str(), kOwnerOnly);
}

// SQLite would say that it can't be opened, or that the disk fails; and a device would be read.
void require_file(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0 || S_ISREG(info.st_mode)) return;
  throw Error("cannot open " + path + ": it is " +
                  (S_ISDIR(info.st_mode) ? "a folder" : "no file") + "; name a file",
              {.connection_lost = true, .native_code = "SQLITE_CANTOPEN"});
}

}  // namespace

// Asks the open file itself.
bool has_moved(sqlite3* database) noexcept {
  int moved = 0;
  return sqlite3_file_control(database, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK &&
         moved != 0;
}

std::string FileIdentity::str() const {
  return std::to_string(device) + ':' + std::to_string(inode);
}

std::optional<FileIdentity> identity_of(const std::string& path) noexcept {
  struct statx info{};
  if (::statx(AT_FDCWD, path.c_str(), 0, STATX_INO | STATX_BTIME, &info) != 0) return std::nullopt;
  constexpr std::int64_t kNanoseconds = 1'000'000'000;
  const bool known = (info.stx_mask & STATX_BTIME) != 0;
  return FileIdentity{
      .device = makedev(info.stx_dev_major, info.stx_dev_minor),
      .inode = info.stx_ino,
      .birth = known ? info.stx_btime.tv_sec * kNanoseconds + info.stx_btime.tv_nsec : 0};
}

// The path may lead to another file before, while and after SQLite opens it: looks until all three
// are the same.
Connection::Opened Connection::open(const std::string& path, const Settings& settings) {
  constexpr int kAttempts = 100;
  require_file(path);
  if (settings.create) create_private(path);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const auto before = identity_of(path);
    SQLite::Database database = translated("open " + path, [&] {
      return SQLite::Database(path, open_flags(settings),
                              static_cast<int>(bounded(settings.busy_timeout).count()));
    });
    const bool moved = has_moved(database.getHandle());
    if (before && before == identity_of(path) && !moved) return {std::move(database), *before};
  }
  throw Error("cannot open " + path + ": each time the path led to another file",
              {.retryable = true, .connection_lost = true});
}

Connection::Connection(const std::string& path, Use use, const Settings& settings)
    : Connection(path, open(path, settings), use, settings) {}

Connection::Connection(const std::string& path, Opened opened, Use use, const Settings& settings)
    : path_(path),
      identity_(opened.identity),
      database_(std::move(opened.database)),
      guard_(database_.getHandle()) {
  translated("open " + path, [&] {
    set_busy_timeout(settings.busy_timeout);
    sqlite3_busy_handler(database_.getHandle(), wait_for_lock, this);
    // Before anything else, so that what is no database is told as that.
    database_.exec(common_sql::look_at_schema.text);
    if (settings.write_ahead_log) write_ahead();
    if (use != Use::read)
      pragma("pragma journal_size_limit = " + std::to_string(Checkpoints::kKeptBytes));
    if (use == Use::write) checkpoints_.emplace(*this);
    run(settings.synchronous_full ? "pragma synchronous = full" : "pragma synchronous = normal");
    run(settings.foreign_keys ? "pragma foreign_keys = on" : "pragma foreign_keys = off");
    if (use == Use::read) run("pragma query_only = on");
  });
}

void Connection::set_busy_timeout(std::chrono::milliseconds timeout) {
  busy_timeout_ = bounded(timeout);
}

void Connection::write_ahead() {
  // Of two that switch a file at once, each may hold the lock that the other needs. SQLite then
  // says BUSY to one without asking its busy handler.
  const auto deadline = std::chrono::steady_clock::now() + busy_timeout_;
  for (;;) {
    try {
      pragma("pragma journal_mode = wal");
      return;
    } catch (const Error& failure) {
      if (!failure.retryable() || std::chrono::steady_clock::now() >= deadline) throw;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

int Connection::wait_for_lock(void* connection, int attempt) {
  auto& self = *static_cast<Connection*>(connection);
  const auto now = std::chrono::steady_clock::now();
  if (attempt == 0) self.busy_since_ = now;
  const auto left = self.busy_since_ + self.busy_timeout_ - now;
  if (left <= std::chrono::steady_clock::duration::zero()) return 0;
  constexpr std::int64_t kFirstUs = 50;
  constexpr std::int64_t kLongestUs = 5'000;
  const std::int64_t step = std::min(kFirstUs << std::min(attempt, 10), kLongestUs);
  // Half fixed, half random, so that two who wait do not meet again and again.
  const auto pause = std::chrono::microseconds(
      step / 2 + static_cast<std::int64_t>(random_u64() % static_cast<std::uint64_t>(step)));
  std::this_thread::sleep_for(std::min<std::chrono::steady_clock::duration>(pause, left));
  return 1;
}

PreparedStatement& Connection::statement(std::string_view sql) {
  return own_.get(sql, [&] { return prepare_checked(database_, sql, &guard_); });
}

// What describes is prepared anew each time: its answer is made while it is prepared.
template <class Run>
decltype(auto) Connection::with_callers(Guard::Rules rules, std::string_view sql, Run run) {
  const Guard::Scope scope(guard_, rules);
  const auto prepare = [&] { return prepare_checked(database_, sql, &guard_); };
  try {
    if (describes(sql)) {
      PreparedStatement once = prepare();
      return run(once);
    }
    return run(callers_.get(sql, prepare));
  } catch (const Error& failure) {
    if (failure.connection_lost()) lost_ = true;
    throw;
  }
}

LoadedRows Connection::load(std::string_view sql, std::span<const ParameterView> parameters) {
  return with_callers(Guard::Rules::reading, sql, [&](PreparedStatement& prepared) {
    require_reading(prepared);
    return LoadedRows{run_query(prepared, parameters), std::nullopt,
                      prepared.can_keep() ? Stored::yes : Stored::uncacheable};
  });
}

bool Connection::can_keep(std::string_view sql) {
  return with_callers(Guard::Rules::reading, sql, [&](PreparedStatement& prepared) {
    require_reading(prepared);
    return prepared.can_keep();
  });
}

Connection::Described Connection::describe(std::string_view sql) {
  const Guard::Scope scope(guard_, Guard::Rules::reading);
  struct Told {
    explicit Told(Guard& by) : guard(by) {}
    Told(const Told&) = delete;
    Told& operator=(const Told&) = delete;
    ~Told() { guard.tell(nullptr); }
    Guard& guard;
  };
  // Twice: the first time, table-valued functions are connected, which reads the schema's table.
  static_cast<void>(prepare_checked(database_, sql, &guard_));
  Described described;
  const Told told(guard_);
  guard_.tell(&described.mentions);
  const PreparedStatement prepared = prepare_checked(database_, sql, &guard_);
  require_reading(prepared);
  described.can_keep = prepared.can_keep();
  described.parameters =
      static_cast<std::size_t>(sqlite3_bind_parameter_count(prepared.statement.get()));
  return described;
}

ResultSet Connection::query_inside(std::string_view sql,
                                   std::span<const ParameterView> parameters) {
  return with_callers(Guard::Rules::writing, sql,
                      [&](PreparedStatement& prepared) { return run_query(prepared, parameters); });
}

std::int64_t Connection::execute_inside(std::string_view sql,
                                        std::span<const ParameterView> parameters) {
  return with_callers(Guard::Rules::writing, sql, [&](PreparedStatement& prepared) {
    return run_statement(prepared, parameters);
  });
}

ResultSet Connection::query(std::string_view sql, std::span<const ParameterView> parameters) {
  PreparedStatement& prepared = statement(sql);
  require_reading(prepared);
  return run_query(prepared, parameters);
}

ResultSet Connection::query_writing(std::string_view sql,
                                    std::span<const ParameterView> parameters) {
  return run_query(statement(sql), parameters);
}

std::int64_t Connection::execute(std::string_view sql, std::span<const ParameterView> parameters) {
  return run_statement(statement(sql), parameters);
}

void Connection::run(const std::string& sql) {
  translated("run \"" + sql.substr(0, 40) + "\" on " + path_, [&] { database_.exec(sql); });
}

void Connection::run_again(std::string_view sql) { run_statement(statement(sql), {}); }

std::string Connection::pragma(const std::string& sql) {
  return translated("run \"" + sql + "\" on " + path_, [&] {
    SQLite::Statement statement(database_, sql);
    return statement.executeStep() ? statement.getColumn(0).getString() : std::string();
  });
}

bool Connection::in_transaction() const noexcept {
  return sqlite3_get_autocommit(database_.getHandle()) == 0;
}

bool Connection::usable() const noexcept {
  return !lost_ && !in_transaction() &&
         sqlite3_txn_state(database_.getHandle(), nullptr) == SQLITE_TXN_NONE &&
         !guard_.session_changed();
}

bool Connection::moved() const noexcept { return has_moved(database_.getHandle()); }

void Connection::rollback() noexcept {
  if (in_transaction()) database_.tryExec("rollback");
}

ScopedTransaction::ScopedTransaction(Connection& connection, Kind kind) : connection_(connection) {
  connection.run_again(kind == Kind::write ? "begin immediate" : "begin");
}

int find_schema_version(Connection& connection, const SchemaQueries& schema) {
  const ResultSet present = connection.query(schema.present, {});
  if (present.row(0)["present"].as<int>() == 0) return 0;
  const ResultSet version = connection.query(schema.version, {});
  return version.row(0)["version"].as<int>();
}

MigrationPort migration_port(Connection& connection, const SchemaQueries& schema,
                             const std::string& path) {
  return {.label = path,
          .url = "sqlite:" + path,
          .begin = "begin immediate;",
          .find_version = [&connection, schema] { return find_schema_version(connection, schema); },
          .run =
              [&connection](const std::string& body, const std::function<bool()>& proceed) {
                ScopedTransaction transaction(connection, ScopedTransaction::Kind::write);
                if (!proceed()) return false;
                connection.run(body);
                transaction.commit();
                return true;
              }};
}

}  // namespace querymark::sqlite
