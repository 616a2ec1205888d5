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
#include "querymark/read/transaction_loader.hpp"

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

/// What a call is to do that memory alone does not: read; or have a hit's value loaded anew, or checked, or
/// what memory lacks loaded, in the background.
enum class Purpose : std::uint8_t {
  read,
  refresh,
  audit,
  prefetch,
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

/// By which road a call is read, and how fresh what it returns must be. For the length of the call.
struct Way {
  const Route& route;
  const Consistency& consistency;
};
/// Of calls that say nothing of it.
[[nodiscard]] inline Way usual_way(const PreparedCore& core) noexcept {
  return {core.setup.route, core.setup.options.consistency};
}

/// What memory leaves to be done of a call: all of it, or to have what was found loaded anew. `load`
/// does what a miss does.
template <class Load, class... Args>
[[gnu::always_inline]] inline void finish(const PreparedCore& core, Way way, Load load,
                                          const CallKey& call, bool hit, ReadResult& read,
                                          const Args&... args) {
  if (!hit) [[unlikely]] {
    const Refused refused = read.outcome.refused;
    read = load(core, way, Purpose::read, call, args...);
    if (refused != Refused::nothing) read.outcome.refused = refused;
  } else if (read.outcome.age >= core.refreshed_from) [[unlikely]]
    static_cast<void>(load(core, usual_way(core), Purpose::refresh, call, args...));
  else if (core.audited_one_of != 0 && is_sampled(core.audited_one_of)) [[unlikely]]
    static_cast<void>(load(core, usual_way(core), Purpose::audit, call, args...));
}

/// One call. `looks`: memory may answer it. `declared` and `load`: see `look` and `finish`.
template <class Handle, class Declared, class Load, class... Args>
[[nodiscard, gnu::always_inline]] inline Handle serve_by(const PreparedCore& core, Way way,
                                                         bool looks, Declared declared, Load load,
                                                         const Args&... args) {
  KeyEncoder encoder(*core.prefix);
  (encoder.add_argument(args), ...);
  const CallKey call = encoder.call();
  Source& source = way.route.source(core.setup.sql);
  Handle handle{ReadResult{}};
  ReadResult& read = InPlace::of(handle);
  const bool hit = looks && look(core, source, declared, call, read, args...);
  finish(core, way, load, call, hit, read, args...);
  return handle;
}

template <class Handle, class Declared, class Load, class... Args>
[[nodiscard, gnu::always_inline]] inline Handle serve(const PreparedCore& core, Declared declared,
                                                      Load load, const Args&... args) {
  return serve_by<Handle>(core, usual_way(core), true, declared, load, args...);
}

/// One call that must be as fresh as `consistency` asks.
template <class Handle, class Declared, class Load, class... Args>
[[nodiscard]] Handle serve_at(const PreparedCore& core, const Consistency& consistency,
                              Declared declared, Load load, const Args&... args) {
  return serve_by<Handle>(core, {core.setup.route, consistency}, consistency.is_eventual(),
                          declared, load, args...);
}

/// One call in a transaction: memory may answer it while that sees what is newest, and has changed nothing.
template <class Handle, class Declared, class Load, class... Args>
[[nodiscard]] Handle serve_in(const PreparedCore& core, ReadTransaction& transaction,
                              Declared declared, Load load, const Args&... args) {
  const Route route = TransactionLoader::into(transaction, core.setup.route, core.setup.sql);
  return serve_by<Handle>(core, {route, core.setup.options.consistency},
                          route.loader().may_hit(core.setup.sql), declared, load, args...);
}

template <class... Args>
[[nodiscard]] Target key_of_call(const PreparedCore& core, const Args&... args) {
  KeyEncoder encoder(*core.prefix);
  (encoder.add_argument(args), ...);
  return key_target(encoder.key());
}

}  // namespace querymark::detail
