#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "querymark/support/clock.hpp"
#include "querymark/support/error.hpp"
#include "server.hpp"
#include "socket.hpp"

namespace querymark::net {

/// What became of all that one call has asked, of whatever servers.
struct Outcome {
  std::size_t lost = 0;          ///< Answers that have not come, or were none.
  std::size_t failures = 0;      ///< Servers that were tried in vain.
  std::size_t skips = 0;         ///< Servers that were not tried.
  std::exception_ptr failure{};  ///< Of the first server that failed; null: none was tried in vain.
  const char* passed_by = nullptr;  ///< Why the first one that was not tried was not.

  /// For calls that are done or throw.
  void require() const {
    if (failure) std::rethrow_exception(failure);
    if (lost > 0) throw Error(passed_by, {.retryable = true});
  }
};

/// What one server is asked in a round. `Node` is a Server, or derived from one.
template <class Node>
struct Part {
  explicit Part(std::shared_ptr<Node> asked) : node(std::move(asked)) {}
  Part(Part&&) noexcept = default;  // before it has a connection
  Part& operator=(Part&&) = delete;
  // What it answers late would be taken for the answer to another question.
  ~Part() {
    if (connection && due > 0) (*connection)->spoil();
  }

  std::shared_ptr<Node> node;
  std::size_t due = 0;   ///< Answers that it owes, or will owe.
  bool suspect = false;  ///< It has failed, now or a moment ago.
  std::optional<typename Node::Pool::Lease> connection{};
};

/// Questions to several servers at once: all are asked before the first is heard, and who answers
/// first is heard first, so one that hangs takes no time from the others. A server that fails loses
/// its own part alone; its connection is spoilt and its breaker told.
template <class Node>
class Round {
 public:
  /// What became of it is added to `outcome`.
  Round(Access access, const Clock& clock, Deadline until, Outcome& outcome)
      : access_(access), clock_(clock), until_(until), outcome_(outcome) {}

  /// Has `send` ask on a connection, by a deadline. Throws Timeout when all are in use and the call
  /// insists.
  template <class Send>
  void ask(Part<Node>& part, Send&& send) {
    if (std::exchange(asked_others_, true)) spare_some();
    if (!part.node->allows(access_, clock_.now())) {
      part.suspect = true;
      lose(part, "slow or failing a moment ago");
      return;
    }
    try {
      part.connection.emplace(part.node->acquire(until_));
      send(**part.connection, until_);
    } catch (const Timeout&) {  // the pool's alone: nothing has failed
      if (access_ == Access::insist) throw;
      lose(part, "all connections are in use");
    } catch (const std::exception& thrown) {
      fail(part, thrown);
    }
  }

  /// Has `receive` take the answers of each part that was asked, and count them down where there are
  /// several.
  template <class P, class Receive>
  void hear(std::vector<P>& parts, Receive&& receive) {
    if (parts.size() == 1) return hear_one(parts.front(), receive);
    spare_some();
    std::vector<P*> asked;
    asked.reserve(parts.size());
    for (P& part : parts)
      if (part.due > 0) asked.push_back(&part);
    while (!asked.empty()) {
      const std::optional<std::size_t> first = first_to_answer(asked);
      const auto next = asked.begin() + static_cast<std::ptrdiff_t>(first.value_or(0));
      hear_one(**next, receive);
      asked.erase(next);
      if (first) spare_some();  // who has begun to answer may have taken all the time
    }
  }

  /// Has `work` ask one server and hear its answers.
  template <class Work>
  void converse(std::shared_ptr<Node> node, Work&& work) {
    Part<Node> part(std::move(node));
    part.due = 1;
    ask(part, std::forward<Work>(work));
    if (std::exchange(part.due, 0) > 0) part.node->succeeded(access_);
  }

 private:
  // For those who are asked or heard late, since others took the time.
  static constexpr std::chrono::milliseconds kLeast{20};
  void spare_some() { until_ = std::max(until_, std::chrono::steady_clock::now() + kLeast); }

  template <class P>
  // Nothing: all are late.
  [[nodiscard]] std::optional<std::size_t> first_to_answer(const std::vector<P*>& asked) const {
    if (asked.size() == 1) return 0;
    std::vector<const Socket*> sockets;
    sockets.reserve(asked.size());
    for (const P* part : asked) sockets.push_back((*part->connection)->socket());
    return Socket::first_to_speak(sockets, until_);
  }
  template <class P, class Receive>
  void hear_one(P& part, Receive&& receive) {
    if (part.due == 0) return;
    try {
      receive(part, **part.connection, until_);
      part.due = 0;
      part.node->succeeded(access_);
    } catch (const std::exception& thrown) {
      fail(part, thrown);
    }
  }
  void fail(Part<Node>& part, const std::exception& thrown) {
    if (!outcome_.failure) outcome_.failure = std::current_exception();
    ++outcome_.failures;
    outcome_.lost += std::exchange(part.due, 0);
    if (part.connection) (*part.connection)->spoil();
    part.connection.reset();
    part.suspect = true;
    part.node->failed(access_, thrown, clock_.now());
  }
  void lose(Part<Node>& part, const char* why) {
    outcome_.lost += std::exchange(part.due, 0);
    if (outcome_.passed_by == nullptr) outcome_.passed_by = why;
    ++outcome_.skips;
  }

  const Access access_;
  const Clock& clock_;
  Deadline until_;
  Outcome& outcome_;
  bool asked_others_ = false;
};

}  // namespace querymark::net
