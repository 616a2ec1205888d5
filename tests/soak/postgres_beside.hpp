#pragma once

#include <memory>
#include <string>

#include "soak/trouble.hpp"
#include "support/pg_bouncer.hpp"
#include "support/postgres_server.hpp"

namespace querymark::test::soak {

/// A standby of a soak's server, and what can happen to it.
class StandbyOfSoak {
 public:
  explicit StandbyOfSoak(const PostgresServer& primary)
      : server_(PostgresServer::standby_of(primary)) {}

  [[nodiscard]] std::string url(const std::string& database) const {
    return server_->url(database);
  }
  [[nodiscard]] Troubles troubles();

 private:
  [[nodiscard]] std::optional<Struck> restarted(Lots& lots);
  [[nodiscard]] std::optional<Struck> paused(Lots& lots);
  void execute(const std::string& sql) const;

  std::unique_ptr<PostgresServer> server_;
  bool away_ = false;
};

/// A pooling proxy in front of a soak's server, likewise.
class ProxyOfSoak {
 public:
  explicit ProxyOfSoak(const PostgresServer& server)
      : bouncer_(server, "default_pool_size = 12\n") {}

  [[nodiscard]] std::string url(const std::string& database) const {
    return bouncer_.url(database);
  }
  [[nodiscard]] Troubles troubles();

 private:
  [[nodiscard]] std::optional<Struck> restarted(Lots& lots);

  PgBouncer bouncer_;
  bool away_ = false;
};

}  // namespace querymark::test::soak
