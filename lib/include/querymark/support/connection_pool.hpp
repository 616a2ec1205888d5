#pragma once  // For writers of ports.

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "querymark/support/error.hpp"
#include "querymark/support/mutex.hpp"

namespace querymark {

struct PoolOptions {
  std::size_t limit = 4;                     ///< Most connections; more callers wait.
  std::chrono::milliseconds patience{5000};  ///< Longest wait for one; then Timeout.
  std::string exhausted{};                   ///< What the Timeout says.
};

/// Connections to one database, opened when needed, at most `limit` at a time. Thread-safe.
///
/// States of a connection: idle (in idle_), lent (in a Lease), closed. drain() closes the idle ones
/// and makes the lent ones close at their return: whoever acquires after drain() gets a connection
/// opened after it. A connection that says `usable() == false` is closed instead of lent or kept.
template <class Connection>
class ConnectionPool {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t kMost = 10'000;
  using Open = std::function<std::unique_ptr<Connection>()>;

  /// `open` may block and throw; it is called without the pool's lock.
  ConnectionPool(PoolOptions options, Open open)
      : options_(std::move(options)), open_(std::move(open)) {
    if (options_.limit == 0) throw ConfigError("a pool needs at least 1 connection");
    if (options_.limit > kMost)
      throw ConfigError("a pool has at most " + std::to_string(kMost) + " connections, not " +
                        std::to_string(options_.limit));
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
  /// throws; but when the database refuses one connection more while others stand, waits for one of
  /// those instead, and throws only when none comes back in time.
  [[nodiscard]] Lease acquire() {
    const auto deadline = Clock::now() + options_.patience;
    MutexLock lock(mutex_);
    for (;;) {
      await_turn(lock.native(), deadline);
      ++lent_;
      while (!idle_.empty()) {
        Idle idle = std::move(idle_.back());
        idle_.pop_back();
        const bool fresh = idle.generation == generation_;
        lock.unlock();  // looking and closing may take a while
        if (fresh && usable(*idle.connection))
          return {*this, std::move(idle.connection), idle.generation};
        idle.connection.reset();
        lock.lock();
        --standing_;
      }
      if (!may_open()) {  // what was idle is gone
        --lent_;
        continue;
      }
      const std::uint64_t generation = generation_;
      const bool others = standing_ > 0;
      ++opening_;
      lock.unlock();
      std::unique_ptr<Connection> connection = open(others, deadline);
      lock.lock();
      if (!connection) continue;
      --opening_;
      ++standing_;
      refusal_ = nullptr;
      return {*this, std::move(connection), generation};
    }
  }

  /// Blocks while connections close.
  void drain() noexcept {
    {
      const MutexLock lock(mutex_);
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

  /// Waits until a connection may be lent or opened.
  void await_turn(std::unique_lock<std::mutex>& lock, Clock::time_point deadline)
      QUERYMARK_REQUIRES(mutex_) {
    while (lent_ == options_.limit || (idle_.empty() && !may_open())) {
      if (Clock::now() >= deadline) {
        if (lent_ < options_.limit) std::rethrow_exception(refusal_);
        throw Timeout(options_.exhausted);
      }
      const bool refused = lent_ < options_.limit;
      returned_.wait_until(lock, refused ? std::min(deadline, next_opening_) : deadline);
    }
  }

  /// While connections stand, or others are being opened, one that was refused is not asked for again
  /// at each call.
  [[nodiscard]] bool may_open() const noexcept QUERYMARK_REQUIRES(mutex_) {
    return standing_ + opening_ == 0 || !refusal_ || Clock::now() >= next_opening_;
  }

  /// Null when it was refused before the deadline while others stood or came, who may be the reason:
  /// also when the last of them has gone meanwhile, and it may succeed now. The place is given back
  /// then, and when it throws.
  std::unique_ptr<Connection> open(bool others, Clock::time_point deadline) {
    const auto give_up = [&](bool wait) {
      {
        const MutexLock lock(mutex_);
        --lent_;
        --opening_;
        wait = wait && (others || (standing_ + opening_ > 0 && Clock::now() < deadline));
        if (wait) {
          refusal_ = std::current_exception();
          next_opening_ = Clock::now() + kPause;
        }
      }
      returned_.notify_all();
      return wait;
    };
    try {
      return open_();
    } catch (const ConfigError&) {  // no refusal: a connection that was opened must not be used
      give_up(false);
      throw;
    } catch (const SchemaError&) {
      give_up(false);
      throw;
    } catch (const Error&) {
      if (!give_up(true)) throw;
      return nullptr;
    } catch (...) {
      give_up(false);
      throw;
    }
  }

  /// An idle connection from before the last drain, for the caller to close; null when none is
  /// left.
  std::unique_ptr<Connection> take_stale() noexcept {
    const MutexLock lock(mutex_);
    const auto stale = std::ranges::find_if(
        idle_, [now = generation_](const Idle& idle) { return idle.generation != now; });
    if (stale == idle_.end()) return nullptr;
    auto connection = std::move(stale->connection);
    idle_.erase(stale);
    --standing_;
    return connection;
  }

  void give_back(std::unique_ptr<Connection> connection, std::uint64_t generation) noexcept {
    if (connection && !usable(*connection)) connection.reset();
    bool kept = false;
    {
      const MutexLock lock(mutex_);
      --lent_;
      kept = connection && generation == generation_;
      if (kept)
        idle_.push_back({std::move(connection), generation});
      else
        --standing_;
    }
    if (kept)
      returned_.notify_one();
    else
      returned_.notify_all();  // it may have been the last that others waited for
  }

  static constexpr std::chrono::seconds kPause{1};  // between two openings that are refused

  PoolOptions options_;
  Open open_;
  Mutex mutex_;  // nothing is opened, looked at or closed under it
  std::condition_variable returned_;
  // Never more than `limit` with the lent ones, and never regrown.
  std::vector<Idle> idle_ QUERYMARK_GUARDED_BY(mutex_);
  std::size_t lent_ QUERYMARK_GUARDED_BY(mutex_) = 0;
  // Connections that are open: idle, or lent.
  std::size_t standing_ QUERYMARK_GUARDED_BY(mutex_) = 0;
  // Calls of `open` under way.
  std::size_t opening_ QUERYMARK_GUARDED_BY(mutex_) = 0;
  std::uint64_t generation_ QUERYMARK_GUARDED_BY(mutex_) = 0;
  // What the last opening threw while others stood.
  std::exception_ptr refusal_ QUERYMARK_GUARDED_BY(mutex_);
  Clock::time_point next_opening_ QUERYMARK_GUARDED_BY(mutex_);
};

}  // namespace querymark
