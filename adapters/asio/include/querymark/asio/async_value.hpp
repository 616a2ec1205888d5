#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "querymark/asio/async_calls.hpp"
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
/// Cached<T>)`. Name and options are copied, `load` is taken; it may block, since it runs on a thread of
/// the cache's offload, for all who ask meanwhile. What it refers to must be safe there, and live until
/// it has returned: where its caller is cancelled it goes on. Completes with what `load` throws, with
/// ConfigError for what `get_or_load` refuses and where the cache has no offload.
template <class T, class Origin, class Load, class Token>
auto async_get_or_load(Origin& origin, std::string_view name, ReadOptions options, Load load,
                       Token&& token) {
  using Value = detail::NamedValue<T, Origin, Load>;
  return detail::AsyncCalls<Cached<T>>::call(
      Value{&origin, std::string(name), std::move(options), std::move(load)},
      std::forward<Token>(token));
}

}  // namespace querymark
