#pragma once

#include "soak/trouble.hpp"
#include "support/redis_server.hpp"

namespace querymark::test::soak {

/// A Redis server of a soak, and what happens to it.
class RedisOfSoak {
 public:
  explicit RedisOfSoak(std::string name) : name_(std::move(name)) {}

  [[nodiscard]] std::string url() const { return server_.socket_url(); }
  [[nodiscard]] Troubles troubles();

 private:
  [[nodiscard]] std::optional<Struck> told(const std::vector<std::string>& command) const;
  [[nodiscard]] std::optional<Struck> killed(Lots& lots);
  [[nodiscard]] std::optional<Struck> stopped(Lots& lots);

  std::string name_;
  RedisServer server_;
  bool away_ = false;
};

}  // namespace querymark::test::soak
