#pragma once

#include <sys/types.h>

#include <string>

#include "support/postgres_server.hpp"
#include "support/temp_dir.hpp"

namespace querymark::test {

/// A private PgBouncer on a free port of the loopback interface, which lends `server`'s sessions
/// per transaction: one for each database, so that all clients share it. Stopped by its own pid.
/// Throws when the program is missing.
class PgBouncer {
 public:
  /// `settings`: further lines of its configuration, which count more.
  explicit PgBouncer(const PostgresServer& server, const std::string& settings = {});
  PgBouncer(const PgBouncer&) = delete;
  PgBouncer& operator=(const PgBouncer&) = delete;
  ~PgBouncer();

  [[nodiscard]] std::string url(const std::string& database) const;

  /// Ends it at once, and its clients' connections with it.
  void stop();
  /// Starts it again on the same port. Does not wait until it answers, since the server may be away.
  void start();

 private:
  TempDir dir_;
  int port_;
  pid_t pid_ = -1;
};

}  // namespace querymark::test
