#pragma once  // For users, by way of asio.hpp.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "querymark/asio/completion.hpp"
#include "querymark/database/database.hpp"
#include "querymark/log/receipt.hpp"
#include "querymark/wait/wait.hpp"

namespace querymark {
namespace detail {

/// A function that runs on a thread of the pool, and the handler that is told what it came to. Whoever
/// drops it unrun tells the handler so.
template <class Handler, class Function>
class BlockingCall {
 public:
  using Value = std::invoke_result_t<Function&>;

  BlockingCall(Handler handler, Function function)
      : busy_(executor_of(handler)), handler_(std::move(handler)), function_(std::move(function)) {}
  BlockingCall(const BlockingCall&) = delete;
  BlockingCall& operator=(const BlockingCall&) = delete;
  ~BlockingCall() {
    if (handler_) fail(no_thread(Offloaded::stopped));
  }

  void run() {
    if constexpr (std::is_void_v<Value>) {
      std::exception_ptr error;
      try {
        function_();
      } catch (...) {  // whatever it is, it is the handler's
        error = std::current_exception();
      }
      tell(std::move(error));
    } else {
      std::optional<Value> value;
      try {
        value.emplace(function_());
      } catch (...) {
        return fail(std::current_exception());
      }
      tell(std::exception_ptr(), std::move(*value));
    }
  }
  void fail(std::exception_ptr error) {
    if constexpr (std::is_void_v<Value>)
      tell(std::move(error));
    else
      tell(std::move(error), no_value<Value>());
  }

 private:
  template <class... Values>
  void tell(std::exception_ptr error, Values... values) {
    Handler handler = *std::exchange(handler_, std::nullopt);
    auto executor = boost::asio::get_associated_executor(handler, boost::asio::system_executor());
    post_last(std::move(executor),
              [busy = std::move(busy_), call = completion(std::move(handler), std::move(error),
                                                          std::move(values)...)]() mutable {
                std::move(call)();
              });
  }

  boost::asio::executor_work_guard<boost::asio::any_io_executor> busy_;
  std::optional<Handler> handler_;
  Function function_;
};

struct StartBlocking {
  template <class Handler, class Function>
  void operator()(Handler handler, Source* source, Function function) const {
    const auto call =
        std::make_shared<BlockingCall<Handler, Function>>(std::move(handler), std::move(function));
    Offloaded became = Offloaded::disabled;
    try {
      became = blocking_pool(*source).submit({}, source, [call] { call->run(); }, "call");
    } catch (...) {  // the caller's mistake, or no memory: by the same road as every other error
      return call->fail(std::current_exception());
    }
    if (became != Offloaded::accepted) call->fail(no_thread(became));
  }
};

template <class Value>
struct CompletionOf {
  using Signature = void(std::exception_ptr, Value);
};
template <>
struct CompletionOf<void> {
  using Signature = void(std::exception_ptr);
};

}  // namespace detail

/// Runs `function()`, which may block, on a thread of the database's offload, and completes with what it
/// returns: `void(std::exception_ptr, R)`, or `void(std::exception_ptr)`. For everything that has no
/// `async` of its own, such as a `read_transaction`. What the function
/// refers to must live until then. A cancellation has no effect. R is default constructible, or the rows
/// of a query. Completes with ConfigError where the cache has no offload, and with Error, which is worth
/// another try, where that is full.
template <class Function, class Token>
auto async_run(Database& db, Function function, Token&& token) {
  using Value = std::invoke_result_t<Function&>;
  return boost::asio::async_initiate<Token, typename detail::CompletionOf<Value>::Signature>(
      detail::StartBlocking{}, token, &db.source(), std::move(function));
}

/// `db.write(function)`: completes with its Written, when this process's marks include the write.
template <class Function, class Token>
auto async_write(Database& db, Function function, Token&& token) {
  return async_run(
      db, [&db, function = std::move(function)]() mutable { return db.write(function); },
      std::forward<Token>(token));
}

/// `db.wait(receipt, wait)`: completes with its WaitOutcome. Holds one of the offload's threads for as
/// long as it waits.
template <class Token>
auto async_wait(Database& db, Receipt receipt, Wait wait, Token&& token) {
  return async_run(
      db,
      [&db, receipt = std::move(receipt), wait = std::move(wait)] {
        return db.wait(receipt, wait);
      },
      std::forward<Token>(token));
}

}  // namespace querymark
