#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "gathering.hpp"
#include "querymark/support/error.hpp"
#include "querymark/support/mutex.hpp"
#include "support/brief_yields.hpp"
#include "support/event_count.hpp"

namespace querymark {

/// Who polls, and whose poll answers whom: callers who come during a poll wait for the next one
/// together, and one of them makes it for all; and with them those whom the last one served, if they
/// come again at once (Gathering).
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

  explicit SharedPolls(Gathering::Nanoseconds least_patience = Gathering::kLeastPatience) noexcept
      : gathering_(least_patience) {}

  /// Blocks while others poll, until one of them answers or the turn is the caller's. Throws what
  /// the poll threw that began after the call.
  [[nodiscard]] Answer await(bool while_failing);

  /// How many have begun; they are numbered so, from 1.
  [[nodiscard]] std::uint64_t begun() const noexcept { return arrivals_.load() >> kCountBits; }
  /// The number of the last one that ended well.
  [[nodiscard]] std::uint64_t done() const noexcept { return done_.load(); }
  /// Whether the last one failed.
  [[nodiscard]] bool failing() const noexcept { return failed_.load() > done_.load(); }

  // --- for who polls: one at a time
  [[nodiscard]] std::uint64_t begin() noexcept;
  void end(std::uint64_t number) noexcept;
  void fail(std::uint64_t number, Failure failure) noexcept;

 private:
  struct Arrival {
    std::uint64_t begun;  // polls
    std::uint32_t come;   // since the last of them began
  };
  static constexpr std::uint64_t kNobody = ~std::uint64_t{0};
  static constexpr unsigned kCountBits = 24;
  static constexpr std::uint64_t kCount = (std::uint64_t{1} << kCountBits) - 1;

  static Arrival arrival_of(std::uint64_t arrivals) noexcept {
    return {arrivals >> kCountBits, static_cast<std::uint32_t>(arrivals & kCount)};
  }
  [[nodiscard]] Arrival arrive() noexcept { return arrival_of(arrivals_.fetch_add(1) + 1); }
  /// To who came at `arrival`; nothing: not yet. Throws what the poll threw.
  [[nodiscard]] std::optional<Answer> answer(std::uint64_t arrival, bool while_failing);
  [[nodiscard]] EventCount& ends_of(std::uint64_t number) noexcept { return ends_[number % 2]; }
  void pass_on() noexcept;

  std::atomic<std::uint64_t> arrivals_{0};  // how many polls have begun, and come since
  std::atomic<std::uint64_t> done_{0};
  std::atomic<std::uint64_t> failed_{0};
  std::atomic<bool> taken_{false};
  std::atomic<std::uint64_t> keeper_{kNobody};  // of those who came at which arrival one keeps time
  Gathering gathering_;
  BriefYields yields_;
  // Of the poll that runs; guarded by the turn.
  std::uint32_t served_ = 0;
  std::chrono::steady_clock::time_point began_{};
  // On one of them sleeps who waits for an even poll, on the other who waits for an odd one.
  std::array<EventCount, 2> ends_{};
  Mutex failure_mutex_;
  Failure failure_ QUERYMARK_GUARDED_BY(failure_mutex_);  // of poll number failed_
};

}  // namespace querymark
