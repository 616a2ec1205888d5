#pragma once

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "querymark/asio/async_calls.hpp"
#include "querymark/asio/awaited_load.hpp"
#include "querymark/read/get_or_load.hpp"

// For users, who include asio.hpp: `get_or_load` on an event loop.

namespace querymark {

namespace detail {

/// A value by its name, as calls on an event loop know a query.
template <class T, class Origin, class Load>
struct NamedValue {
  [[nodiscard]] BegunRead<Cached<T>> begin_read() const& {
    return origin->template begin_get_or_load<T>(name, options, load);
  }
  [[nodiscard]] BegunRead<Cached<T>> begin_read() && {
    return origin->template begin_get_or_load<T>(name, options, std::move(load));
  }

  Origin* origin;
  std::string name;
  ReadOptions options;
  Load load;
};

}  // namespace detail

/// `origin.get_or_load<T>(name, options, load)` on an event loop; `origin` is a Cache, a database or a
/// session of one, and must outlive the call. Completion signature: `void(std::exception_ptr,
/// Cached<T>)`. Name and options are copied, `load` is taken.
///
/// `load` returns the value, and then may block, since it runs on a thread of the cache's offload; or it
/// returns a `boost::asio::awaitable` of it, a coroutine that runs on the caller's executor and blocks
/// nobody: that needs no offload, but for `strong` and `at_least`, which look at the log. Either way it is
/// run once for all who ask meanwhile, what it throws is the error of all of them, and what it reads of
/// the cache waits for nobody else's load. What it refers to must be safe there, and live until it has
/// ended: where its caller is cancelled it goes on, for others and for memory. A coroutine that goes with
/// its event loop leaves the load to somebody who waits for it; one that never ends keeps them waiting,
/// for their timeout.
///
/// Completes with what `load` throws, with ConfigError for what `get_or_load` refuses and where an offload
/// is needed and the cache has none.
template <class T, class Origin, class Load, class Token>
auto async_get_or_load(Origin& origin, std::string_view name, ReadOptions options, Load load,
                       Token&& token) {
  const auto call = [&]<class Loads>(Loads loads) {
    return detail::AsyncCalls<Cached<T>>::call(
        detail::NamedValue<T, Origin, Loads>{&origin, std::string(name), std::move(options),
                                             std::move(loads)},
        std::forward<Token>(token));
  };
  if constexpr (detail::Awaited<std::invoke_result_t<Load&>>::kIs)
    return call(detail::OnLoop<Load>{std::move(load)});
  else
    return call(std::move(load));
}

}  // namespace querymark
