#pragma once  // For users.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "querymark/key/key_encoder.hpp"
#include "querymark/read/begun_read.hpp"
#include "querymark/read/blocking_driver.hpp"
#include "querymark/read/cache.hpp"
#include "querymark/read/explanation.hpp"
#include "querymark/read/read_options.hpp"
#include "querymark/read/result.hpp"
#include "querymark/read/source.hpp"
#include "querymark/result/mapping.hpp"

namespace querymark {

namespace detail {

template <class T, class Load>
class ValueRequest : public ReadRequest {
 public:
  ValueRequest(const CallKey& call_key, const ReadOptions& read_options, Load& load)
      : ReadRequest(call_key, read_options), load_(load) {
    shareable = false;  // only this process knows what a T is
  }
  Loaded load(const EntryInit& init) override { return made_of(load_(), init); }
  /// What becomes of a value that was loaded.
  [[nodiscard]] Loaded made_of(T value, const EntryInit& init) const {
    const std::size_t heap = heap_bytes_of(value);
    EntryInit with = init;
    with.expires = after(init.loaded, jittered(options.policy, init.expires - init.loaded));
    return {make_entry(with, std::move(value), heap), std::nullopt, std::nullopt, Stored::yes};
  }
  [[nodiscard]] EntryRef materialize(const ResultSet& /*rows*/,
                                     const EntryInit& /*init*/) const override {
    throw TypeError("a value of get_or_load is never in a shared tier");
  }

 private:
  Load& load_;
};

template <class Load>
struct ValueParts {
  ReadOptions said;
  Load ask;
};

/// A read of a value that outlives the call which has asked for it.
template <class T, class Load>
class OwnValueRequest final : private ValueParts<Load>, public ValueRequest<T, Load> {
  using Parts = ValueParts<Load>;

 public:
  OwnValueRequest(const CallKey& call_key, ReadOptions read_options, Load load)
      : Parts{std::move(read_options), std::move(load)},
        ValueRequest<T, Load>(call_key, Parts::said, Parts::ask),
        prefix_(call_key.view.prefix) {}

 private:
  KeyPrefixRef prefix_;  // a name has no parameters: the key is nothing else
};

template <class T>
[[nodiscard]] KeyPrefixRef value_prefix(const Source& source, std::string_view name,
                                        const ReadOptions& options) {
  return source.prefix(type_tag<T>(), KeyPrefix::Form::named, name, options.scope, nullptr,
                       options.name);
}

/// Throws ConfigError for what can't be said of a value.
void require_sensible_value(const ReadOptions& options);

/// From memory, or what `miss(call, refused)` returns.
template <class T, class Miss>
[[nodiscard]] ReadResult serve_value(Source& source, std::string_view name,
                                     const ReadOptions& options, Miss&& miss) {
  require_sensible_value(options);
  const KeyPrefixRef prefix = value_prefix<T>(source, name, options);
  const CallKey call = KeyEncoder(*prefix).call();  // a name has no parameters
  ReadResult found;
  if (options.cached && options.consistency.is_eventual()) {
    const std::vector<TargetId> required = ids_of(options.tags);
    if (source.find({.call = call, .options = options, .required = required}, found)) return found;
  }
  return miss(call, found.outcome.refused);
}

/// How a value that memory does not have is loaded by `load` for a driver. Drivers have loads of their own.
template <class T, class Load>
struct RunValue {
  [[nodiscard]] static std::unique_ptr<RunningReadOf<Cached<T>>> run(Source& source,
                                                                     const CallKey& call,
                                                                     const ReadOptions& options,
                                                                     Load load, Refused refused) {
    return run_own<Cached<T>>(
        source, std::make_unique<OwnValueRequest<T, Load>>(call, options, std::move(load)),
        refused);
  }
};

/// `get_or_load` for drivers: what memory has, or else the read that is yet to be run. Does not block.
template <class T, class Load>
[[nodiscard]] BegunRead<Cached<T>> begin_get_or_load(Source& source, std::string_view name,
                                                     const ReadOptions& options, Load load) {
  BegunRead<Cached<T>> begun{.source = &source};
  begun.handle = Cached<T>(serve_value<T>(
      source, name, options, [&](const CallKey& call, Refused refused) -> ReadResult {
        begun.running = RunValue<T, Load>::run(source, call, options, std::move(load), refused);
        return {};
      }));
  return begun;
}

}  // namespace detail

/// The cached value under the caller's own key name, or what `load()` returns, by any database
/// client or none. The same promises as for a query: single flight, and a load that an invalidation
/// of its tags or of `key_named(name)` overtakes is not kept. `load` runs without any lock held and
/// may call the cache again. Blocks; throws what `load` throws, Timeout, and ConfigError for a
/// negative ttl, timeout or lease. What only this process understands is in no shared tier, so a lease
/// changes nothing. On an event loop: `async_get_or_load` (`querymark/asio/asio.hpp`).
template <class T, class Load>
[[nodiscard]] Cached<T> get_or_load(Source& source, std::string_view name,
                                    const ReadOptions& options, Load&& load) {
  return Cached<T>(
      detail::serve_value<T>(source, name, options, [&](const CallKey& call, Refused refused) {
        detail::ValueRequest<T, Load> request(call, options, load);
        request.refused = refused;
        return blocking_read(source, request);
      }));
}

/// How a value of `get_or_load` under these options is keyed, scoped, tagged and cached, and what memory
/// has of it. Asks no loader, and counts nothing.
template <class T>
[[nodiscard]] Explanation explain(Source& source, std::string_view name,
                                  const ReadOptions& options) {
  const KeyPrefixRef prefix = detail::value_prefix<T>(source, name, options);
  return detail::explain(source, KeyEncoder(*prefix).call(), options, options.tags, true);
}

template <class T>
Explanation Cache::explain(std::string_view name, const ReadOptions& options) {
  return querymark::explain<T>(local(), name, options);
}

template <class T, class Load>
Cached<T> Cache::get_or_load(std::string_view name, const ReadOptions& options, Load&& load) {
  return querymark::get_or_load<T>(local(), name, options, std::forward<Load>(load));
}

template <class T, class Load>
detail::BegunRead<Cached<T>> Cache::begin_get_or_load(std::string_view name,
                                                      const ReadOptions& options, Load load) {
  return detail::begin_get_or_load<T>(local(), name, options, std::move(load));
}

}  // namespace querymark
