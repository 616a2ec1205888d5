#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "querymark/follow/subscriber.hpp"
#include "querymark/support/error.hpp"
#include "shared_polls.hpp"
#include "sleepers.hpp"

// How callers wait until a subscriber has applied what they have a receipt of.

namespace querymark {

void Subscriber::remember_own(const Receipt& receipt) noexcept {
  const MutexLock lock(state_mutex_);
  own_[own_count_++ % own_.size()] = {receipt.epoch, receipt.write};
}

bool Subscriber::is_own(const Receipt& receipt) const {
  const MutexLock lock(state_mutex_);
  return std::ranges::find(own_, std::pair(receipt.epoch, receipt.write)) != own_.end();
}

bool Subscriber::refuted(const Receipt& receipt) const {
  try {
    return log_.refutes(receipt);
  } catch (const Error&) {
    return false;  // nobody can be asked: coverage decides, as long as the polls let it be trusted
  }
}

void Subscriber::sleep_until(const std::function<bool()>& done,
                             std::chrono::steady_clock::time_point began,
                             std::chrono::nanoseconds timeout) {
  if (thread_.joinable())
    ask();
  else
    catch_up();
  sleepers_->sleep(done, detail::after(began, timeout));
}

bool Subscriber::await(const std::function<bool(const Marks&)>& enough,
                       std::chrono::nanoseconds timeout) noexcept {
  const std::uint64_t arrival = polls_->begun();
  bool reached = false;
  const auto done = [&] { return reached = enough(marks_) || polls_->done() > arrival; };
  try {
    if (!done()) sleep_until(done, std::chrono::steady_clock::now(), timeout);
  } catch (...) {  // the poll has noted it
    return false;
  }
  return reached;
}

WaitOutcome Subscriber::wait(const Receipt& receipt, const Wait& wait) {
  WaitOutcome outcome = wait_covered(receipt, wait);
  const bool asked = wait.scope() != Wait::Scope::none && receipt.intents > 0;
  if (!asked || !outcome.satisfied()) return outcome;
  const auto refuse = [&](std::string_view reason) {
    outcome.status = WaitStatus::refused;
    outcome.pending = 1;
    outcome.reason = reason;
    return outcome;
  };
  if (receipt.in_doubt && log_.relayed())
    return refuse("only who reads the log can tell what became of a write in doubt");
  // A cursor covers the positions of rolled back transactions, too,
  if (receipt.in_doubt && !log_.holds(receipt))
    return refuse("the write was rolled back, or the log no longer shows it");
  // and those that a history gave out which nobody saw end.
  if (!receipt.in_doubt && !is_own(receipt) && refuted(receipt))
    return refuse("the log shows another write at the receipt's position");
  return outcome;
}

WaitOutcome Subscriber::wait_covered(const Receipt& receipt, const Wait& wait) {
  const auto began = std::chrono::steady_clock::now();
  const auto finish = [&](WaitStatus status, std::string_view reason = {}) {
    return WaitOutcome{.status = status,
                       .pending = status == WaitStatus::satisfied ? 0U : 1U,
                       .elapsed = std::chrono::steady_clock::now() - began,
                       .reason = reason};
  };
  if (wait.scope() == Wait::Scope::none || receipt.intents == 0)
    return finish(WaitStatus::satisfied);
  if (receipt.namespace_name != namespace_name_)
    return finish(WaitStatus::refused, "the receipt is of another namespace");

  const std::uint64_t arrival = polls_->begun();
  const auto verdict = [&]() -> std::optional<WaitOutcome> {
    const bool asked =
        polls_->done() > arrival;  // before the cursor: it moved before the count did
    if (marks_.includes(receipt.epoch, receipt.position)) return finish(WaitStatus::satisfied);
    if (!asked) return std::nullopt;
    const Cursor at = marks_.cursor();
    if (at.epoch != receipt.epoch)
      return finish(WaitStatus::refused, "the receipt is of another epoch");
    // A limit lies above what has ended, not above what runs: a commit in doubt may yet run there.
    // Whoever hands the log on may be behind without knowing it.
    if (!receipt.in_doubt && !log_.relayed() && receipt.position >= at.snapshot.limit())
      return finish(WaitStatus::refused, "the receipt is ahead of everything written");
    return std::nullopt;
  };
  if (auto known = verdict()) return *known;
  std::optional<WaitOutcome> outcome;
  sleep_until(
      [&] {
        outcome = verdict();
        return outcome.has_value();
      },
      began, wait.timeout());
  if (outcome) return *outcome;
  if (wait.on_timeout() == Wait::OnTimeout::fail)
    throw Timeout("the write did not become visible in this process within the wait's timeout");
  return finish(wait.on_timeout() == Wait::OnTimeout::degrade ? WaitStatus::degraded
                                                              : WaitStatus::timed_out);
}

}  // namespace querymark
