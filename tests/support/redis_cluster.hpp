#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/redis_server.hpp"
#include "support/test_certificate.hpp"

namespace querymark::test {

struct RedisClusterOptions {
  /// Replicas are elected into the places of masters that are gone for a second. Else nobody takes
  /// over from anybody by himself.
  bool elects = false;
  /// Clients and servers speak TLS, and the servers announce themselves as `localhost`.
  std::optional<TestCertificate> certificate{};
};

/// A private Redis Cluster: three masters (0, 1, 2), which share the slots evenly, and a replica of
/// each (3, 4, 5).
class RedisCluster {
 public:
  static constexpr std::size_t kMasters = 3;

  explicit RedisCluster(const RedisClusterOptions& options = {});

  /// One for the whole test program, started at the first call.
  [[nodiscard]] static RedisCluster& shared();

  /// Names two of the masters: by an address, over TLS by the name.
  [[nodiscard]] std::string url() const;
  [[nodiscard]] RedisServer& operator[](std::size_t at) const { return *servers_[at]; }
  /// The master that the slot has been given to at the start.
  [[nodiscard]] static std::size_t first_owner(std::uint16_t slot);

  /// Kills all servers; starts them all again, empty, and returns once they serve every slot.
  void stop() const;
  void start() const;
  void await_serving() const;
  /// Returns once the server is a master that has slots.
  void await_master(std::size_t at) const;

  /// The first step of a slot's way to another server, taken once all have heard of its last one:
  /// who takes it is asked for the keys that are no more where they were; the second, for one of its
  /// keys, if it is there (returns whether); the last.
  void begin_move(std::uint16_t slot, std::size_t from, std::size_t to) const;
  [[nodiscard]] bool move_key(const std::string& key, std::size_t from, std::size_t to) const;
  void end_move(std::uint16_t slot, std::size_t from, std::size_t to) const;

 private:
  [[nodiscard]] std::string id(std::size_t at) const;
  void await_agreement() const;

  bool tls_;
  std::vector<int> ports_;  // for clients
  std::vector<std::unique_ptr<RedisServer>> servers_;
};

}  // namespace querymark::test
