#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/system_executor.hpp>
#include <cstdint>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

#include "querymark/read/begun_read.hpp"
#include "querymark/read/offload.hpp"
#include "querymark/read/source.hpp"
#include "querymark/support/mutex.hpp"

// For nobody outside: how calls on an event loop end.

namespace querymark::detail {

/// The pool that blocks for a source's calls. Throws ConfigError where there is none.
[[nodiscard]] Offload& blocking_pool(Source& source);
/// The same; null where there is none.
[[nodiscard]] Offload* pool_of(Source& source) noexcept;
/// What a call comes to that needs one.
[[nodiscard]] std::exception_ptr no_pool();
/// What a call comes to that the pool has refused.
[[nodiscard]] std::exception_ptr no_thread(Offloaded why);

/// The executor of a handler; of one that names none, Asio's own threads.
template <class Handler>
[[nodiscard]] boost::asio::any_io_executor executor_of(const Handler& handler) {
  const auto executor =
      boost::asio::get_associated_executor(handler, boost::asio::system_executor());
  if constexpr (std::is_convertible_v<decltype(executor), boost::asio::any_io_executor>)
    return executor;
  else
    return boost::asio::system_executor();  // for timers; the handler is called on its own
}

/// When to call a handler.
enum class Calls : std::uint8_t {
  soon,    ///< As soon as its executor lets it.
  behind,  ///< Not before who asks for it has returned.
};

/// What calls `handler` once, on its executor, where its slot, too, is let go of: others emit it there.
template <class Handler, class... Values>
[[nodiscard]] auto completion(Handler handler, std::exception_ptr error, Values... values) {
  auto slot = boost::asio::get_associated_cancellation_slot(handler);
  return [handler = std::move(handler), slot, error = std::move(error),
          ... values = std::move(values)]() mutable {
    if (slot.is_connected()) slot.clear();
    std::move(handler)(std::move(error), std::move(values)...);
  };
}

/// Calls `handler` on its executor.
template <class Handler, class... Values>
void call_back(Handler handler, Calls when, std::exception_ptr error, Values... values) {
  const auto executor =
      boost::asio::get_associated_executor(handler, boost::asio::system_executor());
  auto call = completion(std::move(handler), std::move(error), std::move(values)...);
  if (when == Calls::behind)
    boost::asio::post(executor, std::move(call));
  else
    boost::asio::dispatch(executor, std::move(call));
}

/// Posts `call` from a thread that is not the event loop's, and has done with the loop by that: `call` is
/// run when the post has returned and the executor is let go of. So the loop may be destroyed as soon as
/// it has. What `call` holds goes with it; the caller keeps nothing else of the loop.
template <class Executor, class Call>
void post_last(Executor executor, Call call) {
  const auto posting = std::make_shared<Mutex>();
  const MutexLock lock(*posting);
  const Executor last = std::move(executor);
  boost::asio::post(last, [posting, call = std::move(call)]() mutable {
    {
      const MutexLock posted(*posting);
    }
    std::move(call)();
  });
}

}  // namespace querymark::detail
