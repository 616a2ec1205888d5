#pragma once  // For writers of drivers.

#include <memory>
#include <string_view>

#include "querymark/read/prepared_core.hpp"
#include "querymark/read/read_request.hpp"
#include "querymark/read/source.hpp"

namespace querymark::detail {

/// What somebody other than the calling thread is to run, where memory does not serve a call.
template <class Handle>
struct BegunRead {
  Handle handle{ReadResult{}};             ///< The rows, if memory had them.
  Source* source = nullptr;                ///< Whose they are.
  std::unique_ptr<ReadRequest> request{};  ///< Null: memory had them.
};

/// What calls go by on an event loop; defined in `querymark/asio/asio.hpp`, and missing where that is not
/// included.
template <class Handle>
struct AsyncCalls;

/// Throws ConfigError: only the thread that has the connection can read this.
[[noreturn]] void fail_on_loop(std::string_view sql);

/// The request on its own feet, with all that its call declares. Throws ConfigError where it can't be.
[[nodiscard]] std::unique_ptr<ReadRequest> detached(const ReadRequest& request,
                                                    std::string_view sql);

/// `declared`, `load`: see `look` and `finish`; `detach` makes a request that stands on its own feet.
template <class Handle, class Declared, class Load, class Detach, class... Args>
[[nodiscard]] BegunRead<Handle> begin(const PreparedCore& core, Declared declared, Load load,
                                      Detach detach, const Args&... args) {
  KeyEncoder encoder(*core.prefix);
  (encoder.add_argument(args), ...);
  const CallKey call = encoder.call();
  BegunRead<Handle> begun{.source = &core.setup.route.source(core.setup.sql)};
  ReadResult& read = InPlace::of(begun.handle);
  if (look(core, *begun.source, declared, call, read, args...))
    finish(core, load, call, true, read, args...);
  else
    begun.request = detach(core, core.setup.options.consistency, call, args...);
  if (begun.request) begun.request->refused = read.outcome.refused;
  return begun;
}

/// One that must be as fresh as `consistency` asks.
template <class Handle, class Detach, class... Args>
[[nodiscard]] BegunRead<Handle> begin_at(const PreparedCore& core, const Consistency& consistency,
                                         Detach detach, const Args&... args) {
  KeyEncoder encoder(*core.prefix);
  (encoder.add_argument(args), ...);
  BegunRead<Handle> begun{.source = &core.setup.route.source(core.setup.sql)};
  begun.request = detach(core, consistency, encoder.call(), args...);
  return begun;
}

}  // namespace querymark::detail
