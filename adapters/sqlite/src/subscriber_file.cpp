#include "subscriber_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "querymark/support/error.hpp"
#include "sqlite_subscribers_sql.hpp"

namespace querymark::sqlite {
namespace {

constexpr SchemaQueries kSideSchema{subscribers_sql::schema_present,
                                    subscribers_sql::schema_version};

// As SQLite does for the files that it makes itself: whoever may use the database may use this.
void give_mode_of(const std::string& database, const std::string& path) noexcept {
  struct stat info{};
  if (::stat(database.c_str(), &info) != 0) return;
  static_cast<void>(::chmod(path.c_str(), info.st_mode & 0666U));
  if (::geteuid() == 0 && ::chown(path.c_str(), info.st_uid, info.st_gid) != 0) return;
}

bool damaged(const Error& failure) {
  return failure.native_code().starts_with("SQLITE_CORRUPT") ||
         failure.native_code().starts_with("SQLITE_NOTADB");
}

// It can be neither made nor opened for writing.
bool not_ours(const Error& failure) {
  return failure.native_code().starts_with("SQLITE_CANTOPEN") ||
         failure.native_code().starts_with("SQLITE_READONLY");
}

}  // namespace

void SubscriberFile::stand_beside(const std::string& database) {
  if (database == database_) return;
  connection_.reset();
  database_ = database;
  path_ = database + std::string(kSubscriberSuffix);
}

Connection& SubscriberFile::open() {
  // Somebody may have deleted it: what is written to the open one, nobody would see.
  if (connection_ && identity_of(path_) == connection_->identity()) return *connection_;
  connection_.reset();
  const bool fresh = !identity_of(path_);
  auto opened = std::make_unique<Connection>(path_, Connection::Use::write,
                                             Connection::Settings{.busy_timeout = busy_timeout_,
                                                                  .synchronous_full = false,
                                                                  .write_ahead_log = true,
                                                                  .create = true});
  if (fresh) give_mode_of(database_, path_);
  static_cast<void>(run_migrations(subscribers_sql::kMigrations,
                                   migration_port(*opened, kSideSchema, path_), false));
  connection_ = std::move(opened);
  return *connection_;
}

template <class Run>
auto SubscriberFile::with_file(Run&& run) {
  try {
    return run(open());
  } catch (const Error& failure) {
    if (!damaged(failure)) throw;
  }
  connection_.reset();
  for (const char* suffix : {"-wal", "-shm", ""}) ::unlink((path_ + suffix).c_str());
  return run(open());
}

ResultSet SubscriberFile::query(const SqlStatement& sql,
                                std::initializer_list<ParameterView> values) {
  return with_file([&](Connection& connection) {
    return connection.query(sql, {values.begin(), values.size()});
  });
}

// Each process that follows the log keeps the file open, and with it the index of its write-ahead
// log: where there is none, nobody follows.
ResultSet SubscriberFile::look(const SqlStatement& sql,
                               std::initializer_list<ParameterView> values) {
  try {
    return query(sql, values);
  } catch (const Error& failure) {
    if (!not_ours(failure) || identity_of(path_ + "-shm")) throw;
  }
  return {};
}

std::int64_t SubscriberFile::execute(const SqlStatement& sql,
                                     std::initializer_list<ParameterView> values) {
  try {
    return with_file([&](Connection& connection) {
      return connection.execute(sql, {values.begin(), values.size()});
    });
  } catch (const Error& failure) {
    if (!not_ours(failure)) throw;
    throw Error(
        "whoever follows the log is entered in " + path_ + ", which can't be written (" +
            failure.native_code() + "); make it and its folder writable",
        {.connection_lost = failure.connection_lost(), .native_code = failure.native_code()});
  }
}

void SubscriberFile::touch() {
  with_file([&](Connection&) {
    if (::utimensat(AT_FDCWD, path_.c_str(), nullptr, 0) != 0)
      throw Error("cannot touch " + path_ + " to ask its subscribers to report");
    return 0;
  });
}

}  // namespace querymark::sqlite
