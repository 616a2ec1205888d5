#pragma once  // For writers of drivers.

#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>

#include "querymark/read/prepared_core.hpp"
#include "querymark/read/read_request.hpp"
#include "querymark/read/running_read.hpp"
#include "querymark/read/single_read.hpp"
#include "querymark/read/source.hpp"

namespace querymark::detail {

/// What stands where there is no result.
template <class Value>
[[nodiscard]] Value no_value() {
  if constexpr (std::is_default_constructible_v<Value>)
    return Value{};
  else
    return Value(ReadResult{});
}

/// What somebody other than the calling thread is to run, where memory does not serve a call.
template <class Value>
struct BegunRead {
  Value handle = no_value<Value>();                 ///< The rows, if memory had them.
  Source* source = nullptr;                         ///< Whose they are.
  std::unique_ptr<RunningReadOf<Value>> running{};  ///< Null: memory had them.
};

/// What calls go by on an event loop; defined in `querymark/asio/asio.hpp`, and missing where that is not
/// included.
template <class Value>
struct AsyncCalls;

/// Throws ConfigError: only the thread that has the connection can read this.
[[noreturn]] void fail_on_loop(std::string_view sql);

/// The request on its own feet, with all that its call declares. Throws ConfigError where it can't be.
[[nodiscard]] std::unique_ptr<ReadRequest> detached(const ReadRequest& request,
                                                    std::string_view sql);

/// The read of a request that is its own. The source must outlive it.
template <class Handle>
class OwnRead final : public RunningReadOf<Handle> {
 public:
  OwnRead(Source& source, std::unique_ptr<ReadRequest> request)
      : request_(std::move(request)), read_(source, *request_) {}
  [[nodiscard]] RunningRead::Next next(ReadWaker& waker) override { return read_.next(waker); }
  void work() override { read_.work(); }
  [[nodiscard]] Handle take() override { return Handle(read_.take()); }

 private:
  std::unique_ptr<ReadRequest> request_;
  SingleRead read_;
};

/// `refused`: what memory had of it.
template <class Handle>
[[nodiscard]] std::unique_ptr<RunningReadOf<Handle>> run_own(Source& source,
                                                             std::unique_ptr<ReadRequest> request,
                                                             Refused refused = Refused::nothing) {
  request->refused = refused;
  return std::make_unique<OwnRead<Handle>>(source, std::move(request));
}

/// `declared`, `load`: see `look` and `finish`; `detach` makes a request that stands on its own feet.
template <class Handle, class Declared, class Load, class Detach, class... Args>
[[nodiscard]] BegunRead<Handle> begin_by(const PreparedCore& core, Way way, Declared declared,
                                         Load load, Detach detach, const Args&... args) {
  KeyEncoder encoder(*core.prefix);
  (encoder.add_argument(args), ...);
  const CallKey call = encoder.call();
  BegunRead<Handle> begun{.source = &way.route.source(core.setup.sql)};
  ReadResult& read = InPlace::of(begun.handle);
  if (way.consistency.is_eventual() && look(core, *begun.source, declared, call, read, args...))
    finish(core, way, load, call, true, read, args...);
  else
    begun.running =
        run_own<Handle>(*begun.source, detach(core, way, call, args...), read.outcome.refused);
  return begun;
}

}  // namespace querymark::detail
