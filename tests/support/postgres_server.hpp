#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "support/temp_dir.hpp"

namespace querymark::test {

/// A private PostgreSQL server in a temporary folder, as an unprivileged user, on a unix socket and
/// a free port of the loopback interface. Stopped by its own pid at the end, and by the kernel
/// should the test die first. Throws when the server's programs are missing.
class PostgresServer {
 public:
  /// `settings` (such as "fsync=on") come after those that make tests fast, and win. On disk belongs
  /// what is measured, and what grows.
  explicit PostgresServer(std::vector<std::string> settings = {},
                          TempDir::Where where = TempDir::Where::memory);
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;
  ~PostgresServer();

  /// A streaming standby of `primary`, ready to be read.
  [[nodiscard]] static std::unique_ptr<PostgresServer> standby_of(const PostgresServer& primary);

  /// Another server on a copy of what `stopped`, which must not run, left in its folder.
  [[nodiscard]] static std::unique_ptr<PostgresServer> copy_of(const PostgresServer& stopped);

  /// Another server, to which pg_upgrade has brought what `stopped`, which must not run, left.
  [[nodiscard]] static std::unique_ptr<PostgresServer> upgrade_of(const PostgresServer& stopped);

  /// One for the whole test program, started at the first call.
  [[nodiscard]] static PostgresServer& shared();

  /// Whether the server's programs are there.
  [[nodiscard]] static bool installed();

  [[nodiscard]] std::string url(const std::string& database,
                                const std::string& user = "tester") const;
  /// The same through the unix socket, which only this user (and root) can reach.
  [[nodiscard]] std::string socket_url(const std::string& database) const;
  [[nodiscard]] const std::string& host() const noexcept { return host_; }
  [[nodiscard]] int port() const noexcept { return port_; }
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  /// A fresh database without a schema; returns its name.
  [[nodiscard]] std::string create_bare_database();
  /// A fresh, migrated database; returns its name.
  [[nodiscard]] std::string create_database();

  /// Ends the server (SIGINT: fast, clean; SIGQUIT: as a crash) and waits for it.
  void stop(int signal);
  /// Starts it again on the same data.
  void start();
  /// While it is stopped: keeps a cold copy of its folder, and puts that back.
  void keep_copy() const;
  void put_copy_back() const;
  /// The folder of the server's programs, with a slash; empty when there is none.
  [[nodiscard]] static std::string programs();

  /// Of a standby: returns once it has replayed what `primary` has written up to now.
  void await_replay(const PostgresServer& primary) const;
  /// Of a standby: stops receiving, so that what the primary writes from now on is lost to it.
  void sever() const;
  /// Of a standby: makes it a primary, and returns once it takes writes.
  void promote() const;

 private:
  struct Empty {};
  PostgresServer(Empty, std::vector<std::string> settings,
                 TempDir::Where where);  // without data yet
  // Another, with the same settings at a place of the same kind, and without data yet.
  [[nodiscard]] std::unique_ptr<PostgresServer> another() const;
  void make_data() const;
  // The first column of the first row, if there is one.
  std::string ask(const std::string& sql) const;
  void await(const std::string& sql) const;

  TempDir dir_;
  std::vector<std::string> settings_;
  std::string host_ = "127.0.0.1";
  int port_ = 0;
  pid_t pid_ = -1;
  int databases_ = 0;  // made from the template
  int bare_databases_ = 0;
};

}  // namespace querymark::test
