#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "connection.hpp"
#include "endpoint.hpp"
#include "server.hpp"

namespace querymark::redis {

using net::Access;

struct NodeOptions {
  std::size_t connections = 0;
  std::chrono::milliseconds patience = net::Server<Connection>::kPatience;
  std::size_t max_reply_bytes = 0;
  const TlsContext* tls = nullptr;
  std::atomic<std::uint64_t>* connects = nullptr;  ///< Counts those that are opened.
};

/// A Redis server: where it is, and as whom its connections introduce themselves. Thread-safe.
class Node : public net::Server<Connection> {
 public:
  /// Asks nobody. What the options point to must outlive it.
  Node(Endpoint endpoint, const NodeOptions& options)
      : Server(endpoint.label(), options.connections, options.patience,
               [this](Deadline until) { return opened(until); }),
        endpoint_(std::move(endpoint)),
        options_(options),
        resolver_(endpoint_.host, endpoint_.port) {}

  [[nodiscard]] const Endpoint& endpoint() const noexcept { return endpoint_; }

 private:
  [[nodiscard]] std::unique_ptr<Connection> opened(Deadline until) {
    options_.connects->fetch_add(1, std::memory_order_relaxed);
    return std::make_unique<Connection>(endpoint_, resolver_, options_.tls,
                                        options_.max_reply_bytes, until);
  }

  const Endpoint endpoint_;
  const NodeOptions options_;
  Resolver resolver_;
};

}  // namespace querymark::redis
