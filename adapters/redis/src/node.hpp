#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>

#include "connection.hpp"
#include "querymark/support/clock.hpp"
#include "querymark/support/connection_pool.hpp"
#include "querymark/tier/breaker.hpp"
#include "resolver.hpp"

namespace querymark::redis {

/// What a call wants of a server.
enum class Access : std::uint8_t {
  read,
  write,
  insist,  ///< It is tried even where others have just failed.
};

struct NodeOptions {
  std::size_t connections = 0;
  std::chrono::milliseconds timeout{};  ///< For opening one.
  std::size_t max_reply_bytes = 0;
  const TlsContext* tls = nullptr;
  std::atomic<std::uint64_t>* connects = nullptr;  ///< Counts those that are opened.
};

/// One server: the connections to it, and whether it has just failed. There is a breaker each for
/// reads and writes, since a server that is full still reads. Thread-safe.
class Node {
 public:
  using Pool = ConnectionPool<Connection>;

  /// Asks nobody. What the options point to must outlive it.
  Node(Endpoint endpoint, const NodeOptions& options);

  [[nodiscard]] const Endpoint& endpoint() const noexcept { return endpoint_; }
  [[nodiscard]] const std::string& label() const noexcept { return label_; }

  /// Whether it may be tried now; `succeeded` or `failed` must be told then.
  [[nodiscard]] bool allows(Access access, MonotonicTime now) noexcept;
  void succeeded(Access access) noexcept;
  void failed(Access access, const std::exception& thrown, MonotonicTime now) noexcept;

  /// Throws Timeout when all are in use, and what opening one throws.
  [[nodiscard]] Pool::Lease acquire() { return pool_.acquire(); }

 private:
  [[nodiscard]] std::unique_ptr<Connection> open();

  const Endpoint endpoint_;
  const std::string label_;
  const NodeOptions options_;
  Resolver resolver_;
  Breaker reads_;
  Breaker writes_;
  Pool pool_;  // its connections use what stands above
};

}  // namespace querymark::redis
