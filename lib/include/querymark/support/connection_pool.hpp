#pragma once

#include <algorithm>
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
    std::uint64_t generation = generation_;
    while (!idle_.empty()) {
      Idle idle = std::move(idle_.back());
      idle_.pop_back();
      lock.unlock();  // looking and closing may take a while
      if (idle.generation == generation && usable(*idle.connection))
        return {*this, std::move(idle.connection), generation};
      idle.connection.reset();
      lock.lock();
      generation = generation_;
    }
    lock.unlock();
    try {
      return {*this, open_(), generation};
    } catch (...) {  // the place is given back, the error goes on
      give_back(nullptr, generation);
      throw;
    }
  }

  /// Blocks while connections close.
  void drain() noexcept {
    {
      const std::lock_guard lock(mutex_);
      ++generation_;
    }
    while (take_stale()) {
    }
  }

 private:
  struct Idle {
    std::unique_ptr<Connection> connection;
    std::uint64_t generation;
  };

  static bool usable(Connection& connection) noexcept {
    if constexpr (requires { connection.usable(); })
      return connection.usable();
    else
      return true;
  }

  /// An idle connection from before the last drain, for the caller to close; null when none is
  /// left.
  std::unique_ptr<Connection> take_stale() noexcept {
    const std::lock_guard lock(mutex_);
    const auto stale = std::ranges::find_if(
        idle_, [this](const Idle& idle) { return idle.generation != generation_; });
    if (stale == idle_.end()) return nullptr;
    auto connection = std::move(stale->connection);
    idle_.erase(stale);
    return connection;
  }

  void give_back(std::unique_ptr<Connection> connection, std::uint64_t generation) noexcept {
    if (connection && !usable(*connection)) connection.reset();
    const std::lock_guard lock(mutex_);  // `connection`, if still here at the end, closes after it
    --lent_;
    if (connection && generation == generation_)
      idle_.push_back({std::move(connection), generation});
    returned_.notify_one();
  }

  PoolOptions options_;
  Open open_;
  std::mutex mutex_;  // guards all below; nothing is opened, looked at or closed under it
  std::condition_variable returned_;
  std::vector<Idle> idle_;  // never more than `limit` with the lent ones, and never regrown
  std::size_t lent_ = 0;
  std::uint64_t generation_ = 0;
};

}  // namespace querymark
