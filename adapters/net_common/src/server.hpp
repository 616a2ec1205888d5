#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "byte_channel.hpp"
#include "querymark/support/clock.hpp"
#include "querymark/support/connection_pool.hpp"
#include "querymark/support/error.hpp"
#include "querymark/tier/breaker.hpp"

namespace querymark::net {

/// What a call wants of a server.
enum class Access : std::uint8_t {
  read,
  write,
  insist,  ///< It is tried even where others have just failed.
};

/// One server: the connections to it, and whether it has just failed. There is a breaker each for
/// reads and writes, since a server that is full still reads. Thread-safe.
template <class Connection>
class Server {
 public:
  using Pool = ConnectionPool<Connection>;
  /// Of callers who would rather do without.
  static constexpr std::chrono::milliseconds kPatience{5};
  using Open = std::function<std::unique_ptr<Connection>(Deadline until)>;

  /// Asks nobody. `open` may block until its deadline, and throw; `patience` is for a connection that
  /// others use.
  Server(std::string label, std::size_t connections, std::chrono::milliseconds patience, Open open)
      : label_(std::move(label)),
        open_(std::move(open)),
        pool_({.limit = connections, .patience = patience, .exhausted = "busy"},
              [this] { return open_(open_until_); }) {}
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] const std::string& label() const noexcept { return label_; }

  /// Whether it may be tried now; `succeeded` or `failed` must be told then.
  [[nodiscard]] bool allows(Access access, MonotonicTime now) noexcept {
    if (access == Access::read) return reads_.allows(now);
    return access == Access::insist || writes_.allows(now);
  }
  void succeeded(Access access) noexcept {
    if (access == Access::read) reads_.succeeded();
    if (access == Access::write) writes_.succeeded();
  }
  /// A server that does not answer, or is gone, fails for both kinds of calls: one caller has waited.
  void failed(Access access, const std::exception& thrown, MonotonicTime now) noexcept {
    if (access == Access::insist) return;
    const auto* failure = dynamic_cast<const Error*>(&thrown);
    const bool lost = failure != nullptr && failure->connection_lost();
    if (lost || access == Access::read) reads_.failed(now);
    if (lost || access == Access::write) writes_.failed(now);
  }

  /// Opens one by the deadline, if it must. Throws Timeout when all are in use, and what opening one
  /// throws.
  [[nodiscard]] typename Pool::Lease acquire(Deadline until) {
    open_until_ = until;
    return pool_.acquire();
  }
  /// One that is the caller's own.
  [[nodiscard]] std::unique_ptr<Connection> open(Deadline until) const { return open_(until); }
  /// Uses none of its connections once more.
  void drain() noexcept { pool_.drain(); }

 private:
  // Of the call that opens a connection, in whose thread the pool has it opened.
  static inline thread_local Deadline open_until_;

  const std::string label_;
  const Open open_;
  Breaker reads_;
  Breaker writes_;
  Pool pool_;
};

}  // namespace querymark::net
