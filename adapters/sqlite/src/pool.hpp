#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "connection.hpp"

namespace querymark::sqlite {

/// Read connections, opened when needed, at most `limit` at a time. Thread-safe.
///
/// States of a connection: idle (in idle_), lent (in a Lease), closed. drain() closes the idle ones
/// and makes the lent ones close at their return: whoever acquires after drain() gets a connection
/// opened after it.
class Pool {
 public:
  Pool(std::string path, Connection::Settings settings, std::size_t limit);

  class Lease {
   public:
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease();
    Connection& operator*() const noexcept { return *connection_; }
    Connection* operator->() const noexcept { return connection_.get(); }

   private:
    friend class Pool;
    Lease(Pool& pool, std::unique_ptr<Connection> connection, std::uint64_t generation)
        : pool_(&pool), connection_(std::move(connection)), generation_(generation) {}
    Pool* pool_;
    std::unique_ptr<Connection> connection_;  // null when moved from
    std::uint64_t generation_;
  };

  /// Blocks while all are lent, up to the busy timeout; then throws Timeout. Throws what opening
  /// throws.
  [[nodiscard]] Lease acquire();
  void drain() noexcept;

 private:
  void give_back(std::unique_ptr<Connection> connection, std::uint64_t generation) noexcept;

  std::string path_;
  Connection::Settings settings_;
  std::size_t limit_;
  std::mutex mutex_;  // guards all below
  std::condition_variable returned_;
  std::vector<std::unique_ptr<Connection>> idle_;
  std::size_t lent_ = 0;
  std::uint64_t generation_ = 0;
};

}  // namespace querymark::sqlite
