#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "support/redis_server.hpp"

namespace querymark::test {

/// A private Redis Cluster: three masters (0, 1, 2), which share the slots evenly, and a replica of
/// each (3, 4, 5). Nobody takes over from anybody by himself.
class RedisCluster {
 public:
  static constexpr std::size_t kMasters = 3;

  RedisCluster();

  /// One for the whole test program, started at the first call.
  [[nodiscard]] static RedisCluster& shared();

  /// Names two of the masters.
  [[nodiscard]] std::string url() const;
  [[nodiscard]] RedisServer& operator[](std::size_t at) const { return *servers_[at]; }
  /// The master that the slot has been given to at the start.
  [[nodiscard]] static std::size_t first_owner(std::uint16_t slot);

  /// Kills all servers; starts them all again, empty, and returns once they serve every slot.
  void stop() const;
  void start() const;
  void await_serving() const;

  /// The first step of a slot's way to another server, which is asked for the keys that are no more
  /// where they were; the second, for one of its keys; the last.
  void begin_move(std::uint16_t slot, std::size_t from, std::size_t to) const;
  void move_key(const std::string& key, std::size_t from, std::size_t to) const;
  void end_move(std::uint16_t slot, std::size_t from, std::size_t to) const;

 private:
  [[nodiscard]] std::string id(std::size_t at) const;

  std::vector<std::unique_ptr<RedisServer>> servers_;
};

}  // namespace querymark::test
