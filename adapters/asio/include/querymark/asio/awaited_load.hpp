#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <concepts>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "querymark/asio/async_read.hpp"
#include "querymark/asio/leading_executor.hpp"
#include "querymark/read/get_or_load.hpp"
#include "querymark/read/single_read.hpp"

// For nobody outside: values that a coroutine loads.

namespace querymark::detail {

/// What a loader returns, where that is to be awaited.
template <class Result>
struct Awaited {
  static constexpr bool kIs = false;
};
template <class T, class Executor>
struct Awaited<boost::asio::awaitable<T, Executor>> {
  static constexpr bool kIs = true;
  static_assert(std::same_as<Executor, boost::asio::any_io_executor>,
                "a loader's awaitable goes by any_io_executor, as boost::asio::awaitable<T> does");
};

/// A loader that returns an awaitable.
template <class Load>
struct OnLoop {
  Load load;
};

/// In the place of a loader that is never called, since the event loop has one.
template <class T>
struct NeverAsked {
  [[noreturn]] T operator()() const { throw std::logic_error("the event loop loads this value"); }
};

/// The read of such a value. Source must outlive it.
template <class T, class Load>
class AwaitedRead final : public RunningReadOf<Cached<T>>, public LoopLoad {
 public:
  using Request = OwnValueRequest<T, NeverAsked<T>>;

  AwaitedRead(Source& source, std::unique_ptr<Request> request, Load load)
      : request_(std::move(request)), load_(std::move(load)), read_(source, *request_, this) {}

  [[nodiscard]] RunningRead::Next next(ReadWaker& waker) override { return read_.next(waker); }
  void work() override { read_.work(); }
  [[nodiscard]] Cached<T> take() override { return Cached<T>(read_.take()); }

  void begin(const boost::asio::any_io_executor& executor, std::function<void()> ended) override {
    const ReadCaller caller = read_.caller();
    boost::asio::any_io_executor runs_on = executor;
    if (caller.leads) runs_on = LeadingExecutor(executor, caller.id);
    boost::asio::co_spawn(
        runs_on, [this] { return run(); },
        [this, ended = std::move(ended)](const std::exception_ptr& error) {
          if (error) answer_.emplace(error);
          ended();
        });
  }
  void tell() override {
    read_.loaded(std::move(*answer_));
    answer_.reset();
  }

 private:
  // Whoever is told of its end keeps the read alive.
  boost::asio::awaitable<void> run() {
    T value = co_await load_();
    answer_.emplace(request_->made_of(std::move(value), read_.init()));
  }

  std::unique_ptr<Request> request_;
  Load load_;
  SingleRead read_;
  std::optional<LoadAnswer> answer_;
};

template <class T, class Load>
struct RunValue<T, OnLoop<Load>> {
  [[nodiscard]] static std::unique_ptr<RunningReadOf<Cached<T>>> run(Source& source,
                                                                     const CallKey& call,
                                                                     const ReadOptions& options,
                                                                     OnLoop<Load> load,
                                                                     Refused refused) {
    auto request =
        std::make_unique<OwnValueRequest<T, NeverAsked<T>>>(call, options, NeverAsked<T>());
    request->refused = refused;
    return std::make_unique<AwaitedRead<T, Load>>(source, std::move(request), std::move(load.load));
  }
};

}  // namespace querymark::detail
