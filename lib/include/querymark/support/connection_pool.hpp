#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "querymark/support/error.hpp"

namespace querymark {

struct PoolOptions {
  std::size_t limit = 4;                     ///< Most connections; more callers wait.
  std::chrono::milliseconds patience{5000};  ///< Longest wait for one; then Timeout.
  std::string exhausted;                     ///< What the Timeout says.
};

/// Connections to one database, opened when needed, at most `limit` at a time. Thread-safe.
///
/// States of a connection: idle (in idle_), lent (in a Lease), closed. drain() closes the idle ones
/// and makes the lent ones close at their return: whoever acquires after drain() gets a connection
/// opened after it. A connection that says `usable() == false` is closed instead of lent or kept.
template <class Connection>
class ConnectionPool {
 public:
  using Open = std::function<std::unique_ptr<Connection>()>;

  /// `open` may block and throw; it is called without the pool's lock.
  ConnectionPool(PoolOptions options, Open open)
      : options_(std::move(options)), open_(std::move(open)) {
    if (options_.limit == 0) throw ConfigError("a pool needs at least 1 connection");
    idle_.reserve(options_.limit);  // so that give_back can't fail
  }

  class Lease {
   public:
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (connection_) pool_->give_back(std::move(connection_), generation_);
    }
    Connection& operator*() const noexcept { return *connection_; }
    Connection* operator->() const noexcept { return connection_.get(); }

   private:
    friend class ConnectionPool;
    Lease(ConnectionPool& pool, std::unique_ptr<Connection> connection, std::uint64_t generation)
        : pool_(&pool), connection_(std::move(connection)), generation_(generation) {}
    ConnectionPool* pool_;
    std::unique_ptr<Connection> connection_;  // null when moved from
    std::uint64_t generation_;
  };

  /// Blocks while all are lent, up to the patience; then throws Timeout. Throws what opening
  /// throws.
  [[nodiscard]] Lease acquire() {
    std::unique_lock lock(mutex_);
    if (!returned_.wait_for(lock, options_.patience, [this] { return lent_ < options_.limit; }))
      throw Timeout(options_.exhausted);
    ++lent_;
    const std::uint64_t generation = generation_;
    while (!idle_.empty()) {
      auto connection = std::move(idle_.back());
      idle_.pop_back();
      if (usable(*connection)) return {*this, std::move(connection), generation};
    }
    lock.unlock();
    try {
      return {*this, open_(), generation};
    } catch (...) {  // the place is given back, the error goes on
      give_back(nullptr, generation);
      throw;
    }
  }

  void drain() noexcept {
    std::vector<std::unique_ptr<Connection>> closing;  // closed after the lock is released
    const std::lock_guard lock(mutex_);
    ++generation_;
    closing.swap(idle_);
    idle_.reserve(options_.limit);
  }

 private:
  static bool usable(Connection& connection) noexcept {
    if constexpr (requires { connection.usable(); })
      return connection.usable();
    else
      return true;
  }

  void give_back(std::unique_ptr<Connection> connection, std::uint64_t generation) noexcept {
    std::unique_ptr<Connection> stale;  // closed after the lock is released
    const std::lock_guard lock(mutex_);
    --lent_;
    if (connection && generation == generation_ && usable(*connection))
      idle_.push_back(std::move(connection));
    else
      stale = std::move(connection);
    returned_.notify_one();
  }

  PoolOptions options_;
  Open open_;
  std::mutex mutex_;  // guards all below
  std::condition_variable returned_;
  std::vector<std::unique_ptr<Connection>> idle_;
  std::size_t lent_ = 0;
  std::uint64_t generation_ = 0;
};

}  // namespace querymark
