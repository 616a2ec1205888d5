#pragma once

#include <cstdint>
#include <pqxx/connection>
#include <string>

#include "querymark/postgres/postgres.hpp"
#include "support/postgres_server.hpp"

namespace querymark::test {

/// A small shop in a PostgreSQL database of its own, for tests.
class PgShop {
 public:
  explicit PgShop(PostgresServer& server = PostgresServer::shared());

  [[nodiscard]] const std::string& url() const noexcept { return url_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] PostgresServer& server() const noexcept { return server_; }
  /// Runs SQL on a plain connection, as a program without querymark would.
  void execute(const std::string& sql) const;
  [[nodiscard]] std::int64_t number(const std::string& sql) const;
  [[nodiscard]] std::string text(const std::string& sql) const;
  /// Ends once another session's backend waits or is gone: `sql` returns true.
  void await(const std::string& sql) const;

 private:
  PostgresServer& server_;
  std::string name_;
  std::string url_;
};

/// Returns once the database's thread listens and has looked at the log for the first time: from
/// then on it looks when it is rung, and once per poll interval.
void await_listening(const postgres::Database& db);

/// A process as far as caching goes: a cache and a database of its own.
struct PgProcess {
  explicit PgProcess(const PgShop& shop, postgres::Options options = quick(),
                     const Clock& clock = system_clock());
  PgProcess(const std::string& url, postgres::Options options, const Clock& clock = system_clock());
  static postgres::Options quick();

  /// Price of a product, through the cache.
  [[nodiscard]] Rows<double> price(std::int64_t id);
  /// Sets a price, with its intent.
  Receipt set_price(std::int64_t id, double price);

  Cache cache;
  postgres::Database db;
};

/// `PgProcess::quick`, with one session for all loads and writes.
[[nodiscard]] postgres::Options one_connection();
/// How many statements of callers the session of such a process keeps prepared.
[[nodiscard]] std::int64_t prepared_calls(PgProcess& process);

[[nodiscard]] Epoch epoch_of(PgProcess& process);
/// Catches up, also when the first look finds that the log's connection is gone.
void catch_up(PgProcess& process);

}  // namespace querymark::test
