#include "querymark/postgres/doorbell.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>

#include "connection.hpp"
#include "querymark/postgres/url.hpp"
#include "querymark/support/error.hpp"
#include "querymark/support/wake_event.hpp"

// One thread waits; the connection is its own. It sleeps in poll(2) on the connection's socket and
// on an event that interrupt() and ring() set; two flags say which of them it was.
//
// States of the connection: none -> listening -> none. LISTEN comes before wait() returns, and the
// waiter reads the log after that: what was committed before LISTEN is found by that read, what
// comes later rings.
//
// problem_mutex is taken alone.

namespace querymark::postgres {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

struct NotifyDoorbell::State {
  std::string url;
  std::string space;
  DoorbellOptions options;
  WakeEvent wake;
  std::atomic<bool> interrupted{false};
  std::atomic<bool> to_ring{false};

  mutable std::mutex problem_mutex;  // guards problem
  std::string problem = "not connected yet";

  // The waiting thread's.
  std::unique_ptr<Connection> connection;
  Clock::time_point next_attempt;

  void say(std::string text) {
    const std::lock_guard lock(problem_mutex);
    problem = std::move(text);
  }

  [[nodiscard]] Error lent() const {
    return Error("LISTEN does not last on " + connection->label() +
                 ": a pooling proxy lends server sessions per transaction; name the server itself "
                 "in direct_url");
  }

  void hang_up(const std::string& why) noexcept {
    connection.reset();
    say(why);
  }

  // True when it listens anew.
  bool connect() {
    if (connection || Clock::now() < next_attempt) return false;
    next_attempt = Clock::now() + options.reconnect_interval;
    try {
      connection = std::make_unique<Connection>(
          url, Connection::Settings{.connect_timeout = options.connect_timeout,
                                    .statement_timeout = options.statement_timeout});
      pin_own_session(*connection, options.statement_timeout);
      if (connection->proxied()) throw lent();
      connection->run("listen querymark");
      const ResultSet listening = connection->query(statement("listening"));
      if (listening.row(0)[0].as<int>() == 0 || listening.row(0)[1].as<int>() != connection->pid())
        throw lent();
      say({});
      return true;
    } catch (const std::exception& failure) {
      hang_up(failure.what());
      return false;
    }
  }

  void ring_others() {
    if (!connection || !to_ring.exchange(false)) return;
    static_cast<void>(connection->query(statement("ring"), {as_parameter(space)}));
  }

  // True when somebody rang, or the connection is gone.
  bool answer() {
    try {
      ring_others();
      bool rung = false;
      connection->take_notifications([&](std::string_view payload, int pid) {
        rung = rung || (pid != connection->pid() && payload == space);
      });
      if (connection->open()) return rung;
      hang_up("the connection was lost");
    } catch (const std::exception& failure) {
      hang_up(failure.what());
    }
    return true;
  }
};

NotifyDoorbell::NotifyDoorbell(std::string url, std::string space, DoorbellOptions options)
    : state_(std::make_unique<State>()) {
  static_cast<void>(label_of(url));  // throws for a bad one
  state_->url = std::move(url);
  state_->space = std::move(space);
  state_->options = options;
}

NotifyDoorbell::~NotifyDoorbell() = default;

std::string NotifyDoorbell::problem() const {
  const std::lock_guard lock(state_->problem_mutex);
  return state_->problem;
}

void NotifyDoorbell::interrupt() {
  state_->interrupted.store(true);
  state_->wake.set();
}

void NotifyDoorbell::ring() noexcept {
  // Whoever finds the flag set knows that the event is, too.
  if (!state_->to_ring.exchange(true)) state_->wake.set();
}

void NotifyDoorbell::wait(std::chrono::nanoseconds timeout) {
  State& state = *state_;
  const auto deadline = Clock::now() + timeout;
  for (;;) {
    if (state.interrupted.exchange(false)) return;
    if (state.connect()) return;
    if (state.connection && state.answer()) return;
    auto left = deadline - Clock::now();
    if (left <= Clock::duration::zero()) return;
    if (!state.connection)
      left = std::min<Clock::duration>(
          left, std::max<Clock::duration>(state.next_attempt - Clock::now(), Clock::duration{1}));
    std::array<pollfd, 2> fds{{{state.wake.fd(), POLLIN, 0},
                               {state.connection ? state.connection->socket() : -1, POLLIN, 0}}};
    const timespec limit{.tv_sec = left.count() / 1'000'000'000,
                         .tv_nsec = left.count() % 1'000'000'000};
    ::ppoll(fds.data(), fds.size(), &limit, nullptr);
    state.wake.take();
  }
}

}  // namespace querymark::postgres
