#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "querymark/key/key_encoder.hpp"
#include "querymark/read/query_request.hpp"
#include "querymark/read/read_options.hpp"
#include "querymark/read/route.hpp"

// For nobody outside: what prepared queries of all types have in common.

namespace querymark::detail {

/// What a prepared query is, whatever it is stored as and whatever makes its tags.
struct PreparedSetup {
  Route route;
  std::string sql;
  ReadOptions options;
};

/// The state that hits look at. Immutable but for the switch.
struct PreparedCore {
  PreparedSetup setup;
  KeyPrefixRef prefix;
  std::atomic<bool> enabled{true};
  /// Memory is looked into before anything else: it is enabled, and no rule comes first.
  std::atomic<bool> looks_at_once{true};
  /// From which age on a hit has the value loaded anew.
  std::chrono::nanoseconds refreshed_from = std::chrono::nanoseconds::max();
  /// Of how many hits one is checked; zero: none.
  std::uint32_t audited_one_of = 0;

  void set_enabled(bool on) noexcept {
    enabled.store(on, std::memory_order_relaxed);
    looks_at_once.store(on && setup.options.policy.cache_if.empty(), std::memory_order_relaxed);
  }

 protected:
  /// Its tags, and the types of what makes tags, are part of what it is stored as.
  PreparedCore(PreparedSetup settings, KeyPrefix::Form form, std::string stored_type,
               std::initializer_list<std::string> taggers)
      : setup(std::move(settings)) {
    ReadOptions& options = setup.options;
    const Source& source = setup.route.source(setup.sql);
    if (!options.ttl) options.ttl = source.options().default_ttl;
    require_executor(options.policy, source.cache().options().offload.get());
    refreshed_from = options.policy.refreshed_from(*options.ttl);
    audited_one_of = detail::audited_one_of(source.options().audit);
    for (const Target& tag : options.tags)
      stored_type.append("/")
          .append(to_string(tag.kind()))
          .append(":")
          .append(std::to_string(tag.text().size()))
          .append(":")  // or texts could run together
          .append(tag.text());
    for (const std::string& tagger : taggers) stored_type.append("/").append(tagger);
    if (source.automatic(options)) stored_type.append(automatic_type(options));
    prefix = source.prefix(stored_type + names_of(options.row_tags), form, setup.sql, options.scope,
                           setup.route.loader().session(), options.name);
    set_enabled(true);
  }
  ~PreparedCore() = default;
};

/// What a call is to do that memory alone does not: read; have a hit's value loaded anew, or checked, in the
/// background; or have memory filled before anybody asks.
enum class Purpose : std::uint8_t {
  read,
  refresh,
  audit,
  prefetch,  ///< What memory can't serve is loaded in the background.
  warm,      ///< What memory can't serve is taken from a shared tier.
};

/// Whether memory has it. `declared` tells the targets that the entry must carry, null where they are
/// a function of the key.
template <class Declared, class... Args>
[[nodiscard, gnu::always_inline]] inline bool look(const PreparedCore& core, Source& source,
                                                   Declared declared, const CallKey& call,
                                                   ReadResult& read, const Args&... args) {
  const ReadOptions& options = core.setup.options;
  if (!core.looks_at_once.load(std::memory_order_relaxed)) [[unlikely]]
    return false;
  if (declared == nullptr) [[likely]]
    return source.find({.call = call, .options = options}, read);
  if constexpr (!std::is_null_pointer_v<Declared>)
    return source.find({.call = call, .options = options, .required = declared(core, args...)},
                       read);
  return false;
}

/// What memory leaves to be done of a call: all of it, or to have what was found loaded anew. `load`
/// does what a miss does.
template <class Load, class... Args>
[[gnu::always_inline]] inline void finish(const PreparedCore& core, Load load, const CallKey& call,
                                          bool hit, ReadResult& read, const Args&... args) {
  const Consistency& consistency = core.setup.options.consistency;
  if (!hit) [[unlikely]] {
    const Refused refused = read.outcome.refused;
    read = load(core, Purpose::read, consistency, call, args...);
    if (refused != Refused::nothing) read.outcome.refused = refused;
  } else if (read.outcome.age >= core.refreshed_from) [[unlikely]]
    static_cast<void>(load(core, Purpose::refresh, consistency, call, args...));
  else if (core.audited_one_of != 0 && is_sampled(core.audited_one_of)) [[unlikely]]
    static_cast<void>(load(core, Purpose::audit, consistency, call, args...));
}

/// One call. `declared` and `load`: see `look` and `finish`.
template <class Handle, class Declared, class Load, class... Args>
[[nodiscard, gnu::always_inline]] inline Handle serve(const PreparedCore& core, Declared declared,
                                                      Load load, const Args&... args) {
  KeyEncoder encoder(*core.prefix);
  (encoder.add_argument(args), ...);
  const CallKey call = encoder.call();
  Source& source = core.setup.route.source(core.setup.sql);
  Handle handle{ReadResult{}};
  ReadResult& read = InPlace::of(handle);
  const bool hit = look(core, source, declared, call, read, args...);
  finish(core, load, call, hit, read, args...);
  return handle;
}

/// One call that must be as fresh as `consistency` asks: memory alone can't tell.
template <class Handle, class Load, class... Args>
[[nodiscard]] Handle serve_at(const PreparedCore& core, const Consistency& consistency, Load load,
                              const Args&... args) {
  KeyEncoder encoder(*core.prefix);
  (encoder.add_argument(args), ...);
  static_cast<void>(core.setup.route.source(core.setup.sql));  // or it is no more
  return Handle(load(core, Purpose::read, consistency, encoder.call(), args...));
}

template <class... Args>
[[nodiscard]] Target key_of_call(const PreparedCore& core, const Args&... args) {
  KeyEncoder encoder(*core.prefix);
  (encoder.add_argument(args), ...);
  return key_target(encoder.key());
}

}  // namespace querymark::detail
