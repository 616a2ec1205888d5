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
#include <ranges>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "querymark/asio/async_read.hpp"
#include "querymark/asio/completion.hpp"
#include "querymark/read/begun_read.hpp"

// For nobody outside: `async` of queries. Users include asio.hpp.

namespace querymark::detail {

template <class Value, class Handler>
class AsyncReadFor final : public AsyncRead {
 public:
  AsyncReadFor(BegunRead<Value> begun, const Executor& executor, Handler handler)
      : AsyncRead(*begun.source, pool_of(*begun.source), executor),
        handler_(std::move(handler)),
        running_(std::move(begun.running)) {}

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
  RunningRead& running() noexcept override { return *running_; }
  void leave() noexcept override { running_.reset(); }
  void complete(std::exception_ptr error, bool at_once) override {
    const bool over = !error;
    Value value = no_value<Value>();
    try {
      if (!error) value = running_->take();
    } catch (...) {  // as it has ended
      error = std::current_exception();
    }
    if (over) leave();
    call_back(*std::exchange(handler_, std::nullopt), at_once ? Calls::behind : Calls::soon,
              std::move(error), std::move(value));
  }

  std::optional<Handler> handler_;
  std::unique_ptr<RunningReadOf<Value>> running_;
};

/// Views of text as texts, also those that may be missing.
template <class Arg>
struct KeptAs {
  using Type = std::conditional_t<!std::same_as<Arg, std::string> &&
                                      std::convertible_to<const Arg&, std::string_view>,
                                  std::string, Arg>;
};
template <class Arg>
struct KeptAs<std::optional<Arg>> {
  using Type = std::optional<typename KeptAs<Arg>::Type>;
};
template <class Arg>
using Kept = typename KeptAs<std::decay_t<Arg>>::Type;

template <class Query, class Args>
[[nodiscard]] auto begin_read(Query&& query, const Args& args) {
  return std::apply(
      [&](const auto&... arg) { return std::forward<Query>(query).begin_read(arg...); }, args);
}

/// A read that has begun, and that memory did not serve.
template <class Value>
struct RunRead {
  template <class Handler>
  void operator()(Handler handler, BegunRead<Value> begun) const {
    const AsyncRead::Executor executor = executor_of(handler);
    const auto read = std::make_shared<AsyncReadFor<Value, Handler>>(std::move(begun), executor,
                                                                     std::move(handler));
    read->listen();
    read->start();
  }
};

/// Begins the read when the operation starts.
template <class Value>
struct StartRead {
  template <class Handler, class Query, class Args>
  // (Not const: g++ 12 misses a value in an object that has none.)
  void operator()(Handler handler, Query&& query, const Args& args) {
    BegunRead<Value> begun;
    try {
      begun = begin_read(std::forward<Query>(query), args);
    } catch (...) {  // the caller's mistake, or no memory: by the same road as every other error
      return call_back(std::move(handler), Calls::behind, std::current_exception(),
                       no_value<Value>());
    }
    if (begun.running) return RunRead<Value>{}(std::move(handler), std::move(begun));
    call_back(std::move(handler), Calls::behind, std::exception_ptr(), std::move(begun.handle));
  }
};

/// A query whose calls are for many keys.
template <class Query>
struct ManyOf {
  template <class... Args>
  [[nodiscard]] auto begin_read(const Args&... args) const {
    return query.begin_many(args...);
  }
  Query query;
};

template <class Token>
inline constexpr bool kIsUseAwaitable = false;
template <class Executor>
inline constexpr bool kIsUseAwaitable<boost::asio::use_awaitable_t<Executor>> = true;

template <class Value>
struct AsyncCalls {
  using Signature = void(std::exception_ptr, Value);

  /// `query` is whatever has a `begin_read`, which is called once, as of a temporary.
  template <class Query, class... ArgsAndToken>
  static auto call(Query query, ArgsAndToken&&... args_and_token) {
    static_assert(sizeof...(ArgsAndToken) > 0, "the last argument is a completion token");
    return split(std::move(query),
                 std::forward_as_tuple(std::forward<ArgsAndToken>(args_and_token)...),
                 std::make_index_sequence<sizeof...(ArgsAndToken) - 1>());
  }

  /// The same for many keys, which are copied.
  template <class Query, class Keys, class... RestAndToken>
  static auto call_many(Query query, const Keys& keys, RestAndToken&&... rest_and_token) {
    using Key = Kept<std::ranges::range_value_t<const Keys>>;
    std::vector<Key> kept;
    if constexpr (std::ranges::sized_range<const Keys>) kept.reserve(std::ranges::size(keys));
    for (auto&& key : keys) kept.emplace_back(key);
    return call(ManyOf<Query>{std::move(query)}, std::move(kept),
                std::forward<RestAndToken>(rest_and_token)...);
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
          StartRead<Value>{}, std::get<sizeof...(At)>(all), std::move(query), std::move(args));
  }

  // A coroutine of its own, since one that is returned from at once has not suspended.
  template <class Query, class Args, class Executor>
  static boost::asio::awaitable<Value, Executor> awaited(
      Query query, Args args, boost::asio::use_awaitable_t<Executor> token) {
    BegunRead<Value> begun = begin_read(std::move(query), args);
    if (!begun.running) co_return std::move(begun.handle);
    co_return co_await boost::asio::async_initiate<boost::asio::use_awaitable_t<Executor>,
                                                   Signature>(RunRead<Value>{}, token,
                                                              std::move(begun));
  }
};

}  // namespace querymark::detail
