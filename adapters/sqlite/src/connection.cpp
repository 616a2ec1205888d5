#include "connection.hpp"

#include <sqlite3.h>
#include <sys/stat.h>

#include <algorithm>
#include <limits>
#include <thread>

#include "errors.hpp"
#include "querymark/support/random.hpp"

namespace querymark::sqlite {
namespace {

struct Finalize {
  void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
};
using RawStatement = std::unique_ptr<sqlite3_stmt, Finalize>;

RawStatement prepare_raw(sqlite3* database, std::string_view sql, std::string_view& rest) {
  sqlite3_stmt* statement = nullptr;
  const char* tail = nullptr;
  const int code =
      sqlite3_prepare_v2(database, sql.data(), static_cast<int>(sql.size()), &statement, &tail);
  RawStatement owned(statement);
  if (code == SQLITE_ERROR) throw ConfigError(std::string("bad SQL: ") + sqlite3_errmsg(database));
  if (code != SQLITE_OK) fail(code, database, "prepare a statement");
  rest = sql.substr(static_cast<std::size_t>(tail - sql.data()));
  return owned;
}

int refuse_attach(void* /*unused*/, int action, const char* /*a*/, const char* /*b*/,
                  const char* /*c*/, const char* /*d*/) {
  return action == SQLITE_ATTACH || action == SQLITE_DETACH ? SQLITE_DENY : SQLITE_OK;
}

int open_flags(const Connection::Settings& settings) {
  return SQLite::OPEN_READWRITE | (settings.create ? SQLite::OPEN_CREATE : 0);
}

SQLite::Database open(const std::string& path, const Connection::Settings& settings) {
  return translated("open " + path, [&] {
    return SQLite::Database(path, open_flags(settings),
                            static_cast<int>(settings.busy_timeout.count()));
  });
}

void bind(SQLite::Statement& statement, std::span<const ParameterView> parameters) {
  const auto expected = static_cast<std::size_t>(statement.getBindParameterCount());
  if (parameters.size() != expected)
    throw ConfigError("the SQL has " + std::to_string(expected) + " parameters, " +
                      std::to_string(parameters.size()) + " were given: " + statement.getQuery());
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const ParameterView& parameter = parameters[i];
    const int index = static_cast<int>(i) + 1;
    switch (parameter.type()) {
      case ValueType::null:
        statement.bind(index);
        break;
      case ValueType::boolean:
      case ValueType::int64:
        statement.bind(index, static_cast<std::int64_t>(parameter.as_int64()));
        break;
      case ValueType::float64:
        statement.bind(index, parameter.as_float64());
        break;
      case ValueType::text:
        statement.bind(index, std::string(parameter.as_view()));
        break;
      case ValueType::bytes:
        if (parameter.as_view().size() > std::numeric_limits<int>::max())
          throw ConfigError("SQLite can't bind 2 GiB or more of bytes");
        // A null pointer would bind NULL where empty bytes are meant.
        statement.bind(index, parameter.as_view().empty() ? "" : parameter.as_view().data(),
                       static_cast<int>(parameter.as_view().size()));
        break;
      case ValueType::array:
        throw ConfigError("SQLite has no arrays; pass JSON text and read it with json_each()");
    }
  }
}

ParameterView cell_of(const SQLite::Column& column) {
  switch (column.getType()) {
    case SQLITE_INTEGER:
      return ParameterView::int64(column.getInt64());
    case SQLITE_FLOAT:
      return ParameterView::float64(column.getDouble());
    case SQLITE_TEXT: {
      const char* text = column.getText();
      return ParameterView::text({text, static_cast<std::size_t>(column.getBytes())});
    }
    case SQLITE_BLOB: {
      const void* data = column.getBlob();
      return ParameterView::bytes(
          {static_cast<const char*>(data), static_cast<std::size_t>(column.getBytes())});
    }
    default:
      return {};
  }
}

// Leaves the statement reset and unbound, whatever happens: an unfinished one would pin its
// snapshot.
class ResetAfter {
 public:
  explicit ResetAfter(SQLite::Statement& statement) : statement_(statement) {}
  ResetAfter(const ResetAfter&) = delete;
  ResetAfter& operator=(const ResetAfter&) = delete;
  ~ResetAfter() { statement_.tryReset(); }

 private:
  SQLite::Statement& statement_;
};

}  // namespace

std::string FileIdentity::str() const {
  return std::to_string(device) + ':' + std::to_string(inode);
}

std::optional<FileIdentity> identity_of(const std::string& path) noexcept {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return std::nullopt;
  return FileIdentity{info.st_dev, info.st_ino};
}

PreparedStatement prepare_checked(SQLite::Database& database, std::string_view sql) {
  sqlite3* const raw = database.getHandle();
  std::string_view rest;
  const RawStatement probe = prepare_raw(raw, sql, rest);
  if (!probe) throw ConfigError("the SQL text holds no statement");
  while (!rest.empty()) {  // white space and comments are fine
    if (prepare_raw(raw, rest, rest))
      throw ConfigError("the SQL text holds more than one statement");
  }
  return translated("prepare a statement", [&] {
    PreparedStatement prepared{.statement = SQLite::Statement(database, std::string(sql)),
                               .reads_only = sqlite3_stmt_readonly(probe.get()) != 0,
                               .columns = {}};
    for (int i = 0; i < sqlite3_column_count(probe.get()); ++i) {
      const char* name = sqlite3_column_name(probe.get(), i);
      const char* type = sqlite3_column_decltype(probe.get(), i);
      prepared.columns.emplace_back(name != nullptr ? name : "", type != nullptr ? type : "");
    }
    return prepared;
  });
}

void require_reading(PreparedStatement& prepared) {
  if (!prepared.reads_only)
    throw ConfigError("a cached query must only read; write through write(): " +
                      prepared.statement.getQuery());
}

ResultSet run_query(PreparedStatement& prepared, std::span<const ParameterView> parameters) {
  return translated("run a query", [&] {
    const ResetAfter reset(prepared.statement);
    bind(prepared.statement, parameters);
    ResultSetBuilder builder;
    for (const auto& [name, type] : prepared.columns) builder.add_column(name, type);
    const int columns = static_cast<int>(prepared.columns.size());
    while (prepared.statement.executeStep())
      for (int i = 0; i < columns; ++i) builder.add(cell_of(prepared.statement.getColumn(i)));
    return std::move(builder).build();
  });
}

Connection::Connection(const std::string& path, Use use, const Settings& settings)
    : path_(path), database_(open(path, settings)) {
  const auto opened = identity_of(path);
  if (!opened)
    throw Error("cannot open " + path + ": the file vanished", {.connection_lost = true});
  identity_ = *opened;
  translated("open " + path, [&] {
    set_busy_timeout(settings.busy_timeout);
    if (settings.write_ahead_log) write_ahead();
    run(settings.synchronous == Synchronous::full ? "pragma synchronous = full"
                                                  : "pragma synchronous = normal");
    run("pragma foreign_keys = on");
    if (use == Use::read) run("pragma query_only = on");
    sqlite3_set_authorizer(database_.getHandle(), refuse_attach, nullptr);
  });
}

void Connection::set_busy_timeout(std::chrono::milliseconds timeout) {
  busy_timeout_ = timeout;
  sqlite3_busy_handler(database_.getHandle(), wait_for_lock, this);
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
  if (const auto found = by_sql_.find(sql); found != by_sql_.end()) {
    recent_.splice(recent_.begin(), recent_, found->second);
    return recent_.front().prepared;
  }
  recent_.push_front(Cached{std::string(sql), prepare_checked(database_, sql)});
  by_sql_.emplace(recent_.front().sql, recent_.begin());
  if (recent_.size() > kMaxStatements) {
    by_sql_.erase(recent_.back().sql);
    recent_.pop_back();
  }
  return recent_.front().prepared;
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
  PreparedStatement& prepared = statement(sql);
  return translated("run a statement", [&] {
    const ResetAfter reset(prepared.statement);
    bind(prepared.statement, parameters);
    const std::int64_t before = sqlite3_total_changes64(database_.getHandle());
    while (prepared.statement.executeStep()) {
    }
    // sqlite3_changes() would repeat the last count for statements that change nothing.
    if (sqlite3_total_changes64(database_.getHandle()) == before) return std::int64_t{0};
    return static_cast<std::int64_t>(sqlite3_changes64(database_.getHandle()));
  });
}

void Connection::run(const std::string& sql) {
  translated("run \"" + sql.substr(0, 40) + "\" on " + path_, [&] { database_.exec(sql); });
}

std::string Connection::pragma(const std::string& sql) {
  return translated("run \"" + sql + "\" on " + path_, [&] {
    SQLite::Statement statement(database_, sql);
    return statement.executeStep() ? statement.getColumn(0).getString() : std::string();
  });
}

bool Connection::in_transaction() const noexcept {
  return sqlite3_get_autocommit(database_.getHandle()) == 0;
}

void Connection::rollback() noexcept {
  if (in_transaction()) database_.tryExec("rollback");
}

ScopedTransaction::ScopedTransaction(Connection& connection, Kind kind) : connection_(connection) {
  connection.run(kind == Kind::write ? "begin immediate" : "begin");
}

int find_schema_version(Connection& connection, const SqlCatalog& sql) {
  const ResultSet present = connection.query(sql.get("schema_present"), {});
  if (present.row(0)[0].as<int>() == 0) return 0;
  const ResultSet version = connection.query(sql.get("schema_version"), {});
  return version.row(0)[0].as<int>();
}

MigrationPort migration_port(Connection& connection, const SqlCatalog& sql,
                             const std::string& path) {
  return {.label = path,
          .url = "sqlite:" + path,
          .begin = "begin immediate;",
          .find_version = [&] { return find_schema_version(connection, sql); },
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
