#pragma once

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <concepts>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "querymark/asio/async_read.hpp"
#include "querymark/asio/completion.hpp"
#include "querymark/read/begun_read.hpp"

// For nobody outside: `async` of queries. Users include asio.hpp.

namespace querymark::detail {

template <class Handle, class Handler>
class AsyncReadFor final : public AsyncRead {
 public:
  AsyncReadFor(BegunRead<Handle> begun, Offload& pool, const Executor& executor, Handler handler)
      : AsyncRead(*begun.source, std::move(begun.request), pool, executor),
        handler_(std::move(handler)) {}

  /// Lets the handler's slot cancel it.
  void listen() {
    auto slot = boost::asio::get_associated_cancellation_slot(*handler_);
    if (!slot.is_connected()) return;
    slot.assign([read = weak_from_this()](boost::asio::cancellation_type type) {
      if (type == boost::asio::cancellation_type::none) return;
      if (const auto alive = read.lock()) alive->cancel();
    });
  }

 private:
  void complete(std::exception_ptr error, ReadResult result, bool at_once) override {
    call_back(*std::exchange(handler_, std::nullopt), at_once ? Calls::behind : Calls::soon,
              std::move(error), Handle(std::move(result)));
  }

  std::optional<Handler> handler_;
};

/// Views of text as texts.
template <class Arg>
using Kept = std::conditional_t<!std::same_as<std::decay_t<Arg>, std::string> &&
                                    std::convertible_to<const Arg&, std::string_view>,
                                std::string, std::decay_t<Arg>>;

template <class Query, class Args>
[[nodiscard]] auto begin_read(Query&& query, const Args& args) {
  return std::apply(
      [&](const auto&... arg) { return std::forward<Query>(query).begin_read(arg...); }, args);
}

/// Begins the read when the operation starts.
template <class Handle>
struct StartRead {
  template <class Handler, class Query, class Args>
  // (Not const: g++ 12 misses a value in an object that has none.)
  void operator()(Handler handler, Query&& query, const Args& args) {
    BegunRead<Handle> begun;
    try {
      begun = begin_read(std::forward<Query>(query), args);
      if (begun.request) return run(std::move(begun), handler);
    } catch (...) {  // the caller's mistake, or no memory: by the same road as every other error
      return call_back(std::move(handler), Calls::behind, std::current_exception(),
                       no_value<Handle>());
    }
    call_back(std::move(handler), Calls::behind, nullptr, std::move(begun.handle));
  }

  template <class Handler>
  static void run(BegunRead<Handle> begun, Handler& handler) {
    Offload& pool = blocking_pool(*begun.source);
    const AsyncRead::Executor executor = executor_of(handler);
    const auto read = std::make_shared<AsyncReadFor<Handle, Handler>>(std::move(begun), pool,
                                                                      executor, std::move(handler));
    read->listen();
    read->start();
  }
};

/// A read that has begun, and that memory did not serve.
template <class Handle>
struct RunRead {
  template <class Handler>
  void operator()(Handler handler, BegunRead<Handle> begun) const {
    StartRead<Handle>::run(std::move(begun), handler);
  }
};

template <class Token>
inline constexpr bool kIsUseAwaitable = false;
template <class Executor>
inline constexpr bool kIsUseAwaitable<boost::asio::use_awaitable_t<Executor>> = true;

template <class Handle>
struct AsyncCalls {
  using Signature = void(std::exception_ptr, Handle);

  /// `query` is whatever has a `begin_read`, which is called once, as of a temporary.
  template <class Query, class... ArgsAndToken>
  static auto call(Query query, ArgsAndToken&&... args_and_token) {
    static_assert(sizeof...(ArgsAndToken) > 0, "the last argument is a completion token");
    return split(std::move(query),
                 std::forward_as_tuple(std::forward<ArgsAndToken>(args_and_token)...),
                 std::make_index_sequence<sizeof...(ArgsAndToken) - 1>());
  }

 private:
  template <class Query, class All, std::size_t... At>
  static auto split(Query query, All all, std::index_sequence<At...> /*args*/) {
    using Token = std::tuple_element_t<sizeof...(At), All>;
    std::tuple<Kept<std::tuple_element_t<At, All>>...> args(
        std::get<At>(std::forward<All>(all))...);
    if constexpr (kIsUseAwaitable<std::decay_t<Token>>)
      return awaited(std::move(query), std::move(args), std::get<sizeof...(At)>(all));
    else
      return boost::asio::async_initiate<Token, Signature>(
          StartRead<Handle>{}, std::get<sizeof...(At)>(all), std::move(query), std::move(args));
  }

  // A coroutine of its own, since one that is returned from at once has not suspended.
  template <class Query, class Args, class Executor>
  static boost::asio::awaitable<Handle, Executor> awaited(
      Query query, Args args, boost::asio::use_awaitable_t<Executor> token) {
    BegunRead<Handle> begun = begin_read(std::move(query), args);
    if (!begun.request) co_return std::move(begun.handle);
    static_cast<void>(
        blocking_pool(*begun.source));  // or there is none: told here, where a throw is one
    co_return co_await boost::asio::async_initiate<boost::asio::use_awaitable_t<Executor>,
                                                   Signature>(RunRead<Handle>{}, token,
                                                              std::move(begun));
  }
};

}  // namespace querymark::detail
