#pragma once

#include <atomic>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/system/system_error.hpp>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "querymark/asio/asio.hpp"
#include "support/await.hpp"
#include "unit/refreshing.hpp"

namespace querymark::test {

// What a callback was told.
template <class Handle>
struct ToldOf {
  std::optional<Handle> result;
  std::exception_ptr error;
  int times = 0;

  auto as_handler() {
    return [this](std::exception_ptr failure, Handle rows) {
      ++times;
      if (failure)
        error = failure;
      else
        result.emplace(std::move(rows));
    };
  }
  bool aborted() const {
    try {
      if (error) std::rethrow_exception(error);
    } catch (const boost::system::system_error& failure) {
      return failure.code() == boost::asio::error::operation_aborted;
    } catch (const std::exception&) {  // another
    }
    return false;
  }
  std::string message() const {
    try {
      if (error) std::rethrow_exception(error);
    } catch (const std::exception& failure) {
      return failure.what();
    }
    return "";
  }
};

using Told = ToldOf<Result>;

// An event loop, and a database whose loads wait until they may go on.
struct Loop : Refreshing {
  Loop() : Loop(std::make_shared<Offload>(OffloadOptions{.threads = 1})) {}
  explicit Loop(std::shared_ptr<Offload> executor) : Refreshing(std::move(executor)) {}
  ~Loop() {
    go_on();
    offload->drain(std::chrono::seconds(10));
  }

  void hold_loads() {
    may = std::promise<void>();
    loader.on_load = [held = may.get_future().share(), this](auto) {
      ++held_;
      held.wait();
      return LoadedRows{number(loader.value)};
    };
    held_loads = true;
  }
  void go_on() {
    if (std::exchange(held_loads, false)) may.set_value();
  }
  // A call whose handler the loop runs.
  template <class Query>
  void ask(const Query& query, Told& told) {
    query.async(boost::asio::bind_executor(io, told.as_handler()));
  }
  template <class Query>
  void ask(const Query& query, Told& told, boost::asio::cancellation_signal& signal) {
    query.async(boost::asio::bind_cancellation_slot(
        signal.slot(), boost::asio::bind_executor(io, told.as_handler())));
  }
  // Runs handlers for as long as there are any, without waiting.
  void poll() {
    io.restart();
    io.poll();
  }
  void await_held(int loads) {
    poll();
    await("a load is under way", std::chrono::seconds(10), [&] { return held_ >= loads; });
  }
  void run() {
    io.restart();
    io.run();
  }

  boost::asio::io_context io;
  std::promise<void> may;
  std::atomic<int> held_ = 0;
  bool held_loads = false;
};

template <class Body>
void spawn(Loop& loop, Body body) {
  boost::asio::co_spawn(loop.io, std::move(body), [](const std::exception_ptr& error) {
    if (error) std::rethrow_exception(error);
  });
}

}  // namespace querymark::test
