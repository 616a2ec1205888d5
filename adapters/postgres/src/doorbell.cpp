#include "querymark/postgres/doorbell.hpp"

#include <poll.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>  // call_once
#include <optional>
#include <utility>

#include "connection.hpp"
#include "postgres_sql.hpp"
#include "querymark/postgres/url.hpp"
#include "querymark/support/error.hpp"
#include "querymark/support/mutex.hpp"
#include "querymark/support/thread.hpp"
#include "querymark/support/wake_event.hpp"

// Two threads. The connector, started by the first wait, makes a connection whenever there is none,
// and hands it over when it listens. The waiter has the connection from then on, and asks nothing
// of it that it would have to wait for: it sleeps in poll(2) on the socket and on an event that
// interrupt(), ring() and the connector set, sends NOTIFY without waiting for its end, and sends
// the next one after that. So nothing that the connection does or fails to do holds a wait up.
// After a silence it sends an empty statement, a probe; what is not answered in time ends the
// connection.
//
// States of the connection: wanted -> fresh (it listens) -> the waiter's -> lost, wanted. A wait
// returns when it takes a fresh one, and the waiter reads the log then: what was committed before
// LISTEN is found by that read, what comes later rings.
//
// The mutex is taken alone.

namespace querymark::postgres {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

struct NotifyDoorbell::State {
  std::string url;
  std::string namespace_name;
  DoorbellOptions options;
  WakeEvent wake;
  std::atomic<bool> interrupted{false};
  std::atomic<bool> to_ring{false};

  mutable Mutex mutex;
  std::condition_variable_any asked;
  std::string problem QUERYMARK_GUARDED_BY(mutex) = "not connected yet";
  bool wanted QUERYMARK_GUARDED_BY(mutex) = true;
  std::unique_ptr<Connection> fresh QUERYMARK_GUARDED_BY(mutex);

  // The waiter's.
  std::unique_ptr<Connection> connection;
  std::optional<Clock::time_point> sent;  // when what was sent last, and not yet answered
  bool report_asked = false;
  Clock::time_point heard;  // when the server last answered, or rang

  std::once_flag started;
  std::jthread connector;

  // --- the connector

  [[nodiscard]] std::unique_ptr<Connection> listening() const {
    auto made = std::make_unique<Connection>(
        url, Connection::Settings{.connect_timeout = options.connect_timeout,
                                  .statement_timeout = options.statement_timeout});
    if (!made->proxied()) {
      pin_own_session(*made, options.statement_timeout);
      made->run("listen querymark; listen querymark_report");
      const ResultSet channels = made->query(sql::listening);
      if (channels.row(0)["channels"].as<int>() > 0 &&
          channels.row(0)["pid"].as<int>() == made->pid())
        return made;
    }
    throw Error("LISTEN does not last on " + made->label() +
                ": a pooling proxy lends server sessions per transaction; name the server itself "
                "in direct_url");
  }

  void connect(const std::stop_token& stop) {
    MutexLock lock(mutex);
    while (asked.wait(lock, stop, [&]() QUERYMARK_REQUIRES(mutex) { return wanted; }) &&
           !stop.stop_requested()) {
      lock.unlock();
      std::unique_ptr<Connection> made;
      std::string failure;
      try {
        made = listening();
      } catch (const std::exception& error) {
        failure = error.what();
      }
      lock.lock();
      problem = failure;
      wanted = made == nullptr;
      fresh = std::move(made);
      if (fresh)
        wake.set();
      else
        asked.wait_for(lock, stop, options.reconnect_interval, [] { return false; });
    }
  }

  // --- the waiter

  // True when there is a new connection, so the log is to be read.
  bool take_fresh() {
    if (connection) return false;
    const MutexLock lock(mutex);
    connection = std::move(fresh);
    heard = Clock::now();
    return connection != nullptr;
  }

  void hang_up(const std::string& why) {
    connection.reset();
    sent.reset();
    const MutexLock lock(mutex);
    problem = why;
    wanted = true;
    asked.notify_one();
  }

  void send_what_is_due() {
    if (sent) return;
    const auto now = Clock::now();
    if (to_ring.exchange(false))
      connection->send(sql::ring.text, {as_parameter(namespace_name)});
    else if (now - heard > options.probe_interval)
      connection->send("", {});
    else
      return;
    sent = now;
  }

  // True when somebody rang, or the connection is gone.
  bool answer() {
    try {
      bool rung = false;
      send_what_is_due();
      const bool answered =
          connection->take_notifications([&](const Connection::Notification& notification) {
            heard = Clock::now();
            if (notification.payload != namespace_name) return;
            const bool report = notification.channel == "querymark_report";
            report_asked = report_asked || report;
            rung = rung || report || notification.pid != connection->pid();
          });
      if (answered && sent) {
        heard = Clock::now();
        sent.reset();
        send_what_is_due();
      }
      const bool silent = sent && Clock::now() - *sent > options.statement_timeout;
      if (connection->open() && !silent) return rung;
      hang_up(silent ? "the server does not answer" : "the connection was lost");
    } catch (const std::exception& failure) {
      hang_up(failure.what());
    }
    return true;
  }
};

NotifyDoorbell::NotifyDoorbell(std::string url, std::string namespace_name, DoorbellOptions options)
    : state_(std::make_unique<State>()) {
  static_cast<void>(label_of(url));  // throws for a bad one
  state_->url = std::move(url);
  state_->namespace_name = std::move(namespace_name);
  state_->options = options;
}

NotifyDoorbell::~NotifyDoorbell() = default;

std::string NotifyDoorbell::problem() const {
  const MutexLock lock(state_->mutex);
  return state_->problem;
}

bool NotifyDoorbell::report_asked() { return std::exchange(state_->report_asked, false); }

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
  std::call_once(state.started, [&] {
    state.connector = start_thread([&state](const std::stop_token& stop) { state.connect(stop); });
  });
  for (;;) {
    if (state.interrupted.exchange(false)) return;
    if (state.take_fresh()) return;
    if (state.connection && state.answer()) return;
    const auto left = deadline - Clock::now();
    if (left <= Clock::duration::zero()) return;
    std::array<pollfd, 2> fds{{{state.wake.fd(), POLLIN, 0},
                               {state.connection ? state.connection->socket() : -1, POLLIN, 0}}};
    const timespec limit{.tv_sec = left.count() / 1'000'000'000,
                         .tv_nsec = left.count() % 1'000'000'000};
    ::ppoll(fds.data(), fds.size(), &limit, nullptr);
    state.wake.take();
  }
}

}  // namespace querymark::postgres
