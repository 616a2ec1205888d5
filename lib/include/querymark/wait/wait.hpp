#pragma once  // For users.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "querymark/support/time_span.hpp"

namespace querymark {

/// How long, and for what, a caller waits after a write.
class Wait {
 public:
  /// Not at all.
  [[nodiscard]] static Wait none() { return {Scope::none, {}}; }
  /// Until this process's marks include the write. Zero: a look, no wait. Throws ConfigError for a
  /// negative timeout.
  [[nodiscard]] static Wait local(TimeSpan timeout) {
    return {Scope::local, detail::not_negative(timeout, "the timeout of a wait")};
  }
  /// Until the workers have applied the write to these shared targets (the names that `querymark
  /// worker` and `status` show), whoever else has yet to see it. One that no worker has ever served,
  /// or to which some of the write could not be delivered, makes the outcome `degraded`. Throws
  /// ConfigError for a negative timeout, and without targets.
  [[nodiscard]] static Wait shared(std::vector<std::string> targets, TimeSpan timeout);
  /// Until every process that follows the log now has applied the write, and every shared target of
  /// the namespace. Throws ConfigError for a negative timeout.
  [[nodiscard]] static Wait cluster(TimeSpan timeout) {
    return {Scope::cluster, detail::not_negative(timeout, "the timeout of a wait")};
  }

  /// A timeout is reported as `degraded`: the caller goes on with what it has.
  [[nodiscard]] Wait best_effort() const {
    Wait copy = *this;
    copy.on_timeout_ = OnTimeout::degrade;
    return copy;
  }
  /// A timeout throws `Timeout`.
  [[nodiscard]] Wait strict() const {
    Wait copy = *this;
    copy.on_timeout_ = OnTimeout::fail;
    return copy;
  }

  enum class Scope : std::uint8_t { none, local, shared, cluster };
  enum class OnTimeout : std::uint8_t { report, degrade, fail };
  [[nodiscard]] Scope scope() const noexcept { return scope_; }
  [[nodiscard]] OnTimeout on_timeout() const noexcept { return on_timeout_; }
  [[nodiscard]] std::chrono::nanoseconds timeout() const noexcept { return timeout_; }
  /// Of `shared`.
  [[nodiscard]] const std::vector<std::string>& targets() const noexcept { return targets_; }

 private:
  Wait(Scope scope, std::chrono::nanoseconds timeout) : scope_(scope), timeout_(timeout) {}
  Scope scope_;
  OnTimeout on_timeout_ = OnTimeout::report;
  std::chrono::nanoseconds timeout_;
  std::vector<std::string> targets_;
};

enum class WaitStatus : std::uint8_t {
  satisfied,  ///< The write is visible wherever the wait asked for.
  degraded,   ///< Timed out under best_effort; or some of it was not, and will not be, delivered.
  timed_out,
  refused,  ///< The receipt is of another epoch or namespace, acknowledged and yet ahead of
            ///< anything ever written, or was in doubt and the log does not show its write.
};

[[nodiscard]] std::string_view to_string(WaitStatus status) noexcept;

/// What a wait came to.
struct [[nodiscard]] WaitOutcome {
  WaitStatus status = WaitStatus::satisfied;
  std::size_t pending = 0;  ///< Processes and targets that have yet to cover the receipt.
  std::chrono::nanoseconds elapsed{};
  std::string_view reason;  ///< Why it was refused or is degraded; may be empty. Static text.

  [[nodiscard]] bool satisfied() const noexcept { return status == WaitStatus::satisfied; }
};

}  // namespace querymark
