#include "querymark/sqlite/database.hpp"

#include <sqlite3.h>

#include "database_state.hpp"
#include "querymark/database/check_options.hpp"
#include "querymark/sqlite/url.hpp"
#include "querymark/support/counted.hpp"
#include "schema.hpp"

namespace querymark::sqlite {
namespace {

constexpr int kFollowAttempts = 10;

Options checked(Options options) {
  detail::require_shared_options(options);
  detail::require_some(options.readers, "readers");
  options.busy_timeout = bounded(options.busy_timeout);
  return options;
}

}  // namespace

Database::State::State(const std::string& where, Cache& cache, Options opts)
    : options(checked(std::move(opts))),
      path(path_of(where)),
      pool({.limit = options.readers,
            .patience = options.busy_timeout,
            .exhausted = all_of(options.readers, "read connection") + " to " + path +
                         " stayed busy: raise readers, or look for slow queries"},
           [this] { return open_reader(); }),
      writer([this] { return open_writer(); }),
      log(path, options.namespace_name,
          {.busy_timeout = options.busy_timeout,
           .volatile_commits = options.synchronous != Synchronous::full,
           .on_history_change = [this] { drain(); }}),
      doorbell(path),
      core_(cache, log, log, subscribers.get(), doorbell,
            CoreOptions::of(options, cache, {options.namespace_name, log.database_id(), {}, {}})) {
  core_.start();
}

Connection::Settings Database::State::settings() const {
  return {.busy_timeout = options.busy_timeout,
          .synchronous_full = options.synchronous == Synchronous::full,
          .write_ahead_log = false,
          .create = false,
          .foreign_keys = options.foreign_keys};
}

std::unique_ptr<Connection> Database::State::open_writer() const {
  Connection::Settings with = settings();
  with.write_ahead_log = options.write_ahead_log;
  auto connection = std::make_unique<Connection>(path, Connection::Use::write, with);
  require_schema(*connection, path);
  return connection;
}

std::unique_ptr<Connection> Database::State::open_reader() {
  for (int attempt = 0;; ++attempt) {
    auto connection = std::make_unique<Connection>(path, Connection::Use::read, settings());
    if (log.is_of(connection->identity())) return connection;
    catch_up_with_path(attempt);
  }
}

void Database::State::drain() noexcept {
  writer.retire();
  pool.drain();
}

void Database::State::follow_path() {
  writer.renew();
  for (int attempt = 0; moved(); ++attempt) {
    catch_up_with_path(attempt);  // the log follows the path, and then the writer the log
    writer.retire();
    writer.renew();
  }
}

void Database::State::catch_up_with_path(int attempt) {
  if (attempt == kFollowAttempts)
    throw Error("the file behind " + path + " is replaced again and again",
                {.retryable = true, .connection_lost = true});
  core_.subscriber.catch_up();
}

bool Database::State::moved() {
  const Connection& connection = writer.connection();
  return identity_of(path) != connection.identity() || !log.is_of(connection.identity()) ||
         log.split();
}

bool Database::State::follows(sqlite3* connection) const {
  const char* name = sqlite3_db_filename(connection, "main");
  const auto file = name != nullptr ? identity_of(name) : std::nullopt;
  return file && log.is_of(*file);
}

bool Database::State::could_keep(std::string_view sql) noexcept {
  try {
    return pool.acquire()->can_keep(sql);
  } catch (const std::exception&) {  // it knows nothing of the caller's functions, or is busy
    return false;
  }
}

WriteFate Database::State::resolve(const Receipt& receipt) { return log.resolve(receipt); }

Database::Database(const std::string& where, Cache& cache, Options options)
    : querymark::Database(std::make_unique<State>(where, cache, std::move(options))) {}

Analysis Database::analyse(std::string_view sql, const Promises& promises) {
  return state().query_analyser.analyse(sql, promises);
}

const std::string& Database::path() const noexcept { return state().path; }

}  // namespace querymark::sqlite
