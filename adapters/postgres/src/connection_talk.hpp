#pragma once

#include <string>

#include "connection.hpp"
#include "querymark/support/error.hpp"
#include "watchdog.hpp"

// How a connection talks to its server, for the files that do: by a deadline, and past what is late.

namespace querymark::postgres {

template <class Talk>
void Connection::guarded(const Call& call, Talk&& talk) {
  if (pipeline_.late() && !call.behind_late) settle_late();
  pipeline_.clear_tags();
  if (!open()) fail(call, nullptr);
  bool timed_out = false;
  try {
    Watchdog::Guard guard(Watchdog::instance(), socket_->get(), call.timeout,
                          call.cancellable ? cancel_ : nullptr);
    talk([&] { return timed_out = guard.end(); });
  } catch (...) {
    // The request to cancel may come late and meet whatever this connection would do next.
    if (timed_out) lost_ = true;
    if (!timed_out) throw;
    throw Error("cannot " + what(call) + ": the server did not answer within " +
                    std::to_string(call.timeout.count()) + " ms",
                {.retryable = true, .connection_lost = true, .native_code = "timeout"});
  }
  if (timed_out) lost_ = true;
}

template <class Send>
ResultHandle Connection::ask(const Call& call, Send&& send) {
  ResultHandle last;
  guarded(call, [&](auto&& ended) {
    ResultHandle failed;
    const bool sent = send(native_.get()) != 0;
    if (sent) pipeline_.take_one(last, failed);
    ended();
    if (finished("COPY") && open())
      throw ConfigError("cannot " + what(call) + ": COPY needs a connection of your own");
    if (!sent || failed || !last) fail(call, failed.get());
  });
  return last;
}

}  // namespace querymark::postgres
