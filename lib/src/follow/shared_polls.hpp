#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "querymark/support/error.hpp"
#include "querymark/support/mutex.hpp"
#include "support/event_count.hpp"

namespace querymark {

/// Who polls, and whose poll answers whom: callers who come during a poll wait for the next one
/// together, and one of them makes it for all.
///
/// Thread-safe.
class SharedPolls {
 public:
  enum class Answer : std::uint8_t {
    turn,     ///< The caller polls, for itself and others: it makes a Turn at once.
    done,     ///< A poll that began after the call has ended well.
    failing,  ///< The last poll has failed, and the caller did not want to wait for another.
  };
  /// What the callers who share a failed poll are told, each by an Error of his own.
  struct Failure {
    std::string what;
    ErrorTraits traits;
  };
  /// The turn of who polls; the next one's when it goes.
  class Turn {
   public:
    explicit Turn(SharedPolls& polls) noexcept : polls_(polls) {}
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() { polls_.pass_on(); }

   private:
    SharedPolls& polls_;
  };

  /// Blocks while others poll, until one of them answers or the turn is the caller's. Throws what
  /// the poll threw that began after the call.
  [[nodiscard]] Answer await(bool while_failing);

  /// How many have begun; they are numbered so, from 1.
  [[nodiscard]] std::uint64_t begun() const noexcept { return begun_.load(); }
  /// The number of the last one that ended well.
  [[nodiscard]] std::uint64_t done() const noexcept { return done_.load(); }
  /// Whether the last one failed.
  [[nodiscard]] bool failing() const noexcept { return failed_.load() > done_.load(); }

  // --- for who polls: one at a time
  [[nodiscard]] std::uint64_t begin() noexcept { return begun_.fetch_add(1) + 1; }
  void end(std::uint64_t number) noexcept { done_.store(number); }
  void fail(std::uint64_t number, Failure failure) noexcept;

 private:
  /// To who came at `arrival`; nothing: not yet. Throws what the poll threw.
  [[nodiscard]] std::optional<Answer> answer(std::uint64_t arrival, bool while_failing);
  [[nodiscard]] EventCount& ends_of(std::uint64_t number) noexcept { return ends_[number % 2]; }
  void pass_on() noexcept;

  std::atomic<std::uint64_t> begun_{0};
  std::atomic<std::uint64_t> done_{0};
  std::atomic<std::uint64_t> failed_{0};
  std::atomic<bool> taken_{false};
  // On one of them sleeps who waits for an even poll, on the other who waits for an odd one.
  std::array<EventCount, 2> ends_{};
  Mutex failure_mutex_;
  Failure failure_ QUERYMARK_GUARDED_BY(failure_mutex_);  // of poll number failed_
};

}  // namespace querymark
