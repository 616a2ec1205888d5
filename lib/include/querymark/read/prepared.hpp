#pragma once

#include <atomic>
#include <concepts>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "querymark/key/key_encoder.hpp"
#include "querymark/read/blocking_driver.hpp"
#include "querymark/read/query_request.hpp"
#include "querymark/read/read_options.hpp"
#include "querymark/read/route.hpp"

namespace querymark {

namespace detail {

/// What a prepared query is, whatever makes its tags.
template <class Mapper>
struct PreparedSetup {
  Route route;
  std::string sql;
  ReadOptions options;
  [[no_unique_address]] Mapper mapper;
};

}  // namespace detail

/// A query whose SQL is encoded once. Calling it encodes the parameters into a buffer on the stack;
/// a hit does not allocate. Tags are built on a miss only, by callables that take the query's
/// parameters.
///
/// A handle: copies share one state. Thread-safe. Called after the database it came
/// from is no more, it ends the process with a message.
///
/// Tags are a function of the parameters as long as the callables have no state; their types are
/// part of the key, so another call site with the same SQL and other tags has entries of its own.
/// Callables with state (captures, function pointers) work too, but are then asked at each hit.
template <class T, class Mapper, class... Taggers>
class Prepared {
 public:
  using Handle = typename detail::StoredAs<T, Mapper>::Handle;

  /// Made by a database's `prepare`.
  Prepared(Route route, std::string sql, Mapper mapper)
      : Prepared(Setup{std::move(route), std::move(sql), {}, mapper}, std::tuple<>{}) {}

  Prepared(Source& source, Loader& loader, std::string sql, Mapper mapper)
      : Prepared(Route(source, loader), std::move(sql), mapper) {}

  // See ReadOptions.

  [[nodiscard]] Prepared tag(Target target) const {
    return with([&](ReadOptions& options) { options.tags.push_back(std::move(target)); });
  }
  /// `tagger` makes a target from the parameters.
  template <class Tagger>
    requires(!std::same_as<Tagger, Target>)
  [[nodiscard]] Prepared<T, Mapper, Taggers..., Tagger> tag(Tagger tagger) const {
    return {state_->setup, std::tuple_cat(state_->taggers, std::tuple<Tagger>(std::move(tagger)))};
  }
  /// Throws ConfigError when negative.
  [[nodiscard]] Prepared ttl(TimeSpan ttl) const {
    return with([&](ReadOptions& options) { options.ttl = detail::not_negative(ttl, "a ttl"); });
  }
  [[nodiscard]] Prepared scope(std::string scope) const {
    return with([&](ReadOptions& options) { options.scope = std::move(scope); });
  }
  /// Throws ConfigError when negative.
  [[nodiscard]] Prepared timeout(TimeSpan timeout) const {
    return with([&](ReadOptions& options) {
      options.timeout = detail::not_negative(timeout, "a timeout");
    });
  }

  /// Switches caching of this query off and on at run time, for all copies of this handle.
  void set_enabled(bool enabled) noexcept {
    state_->enabled.store(enabled, std::memory_order_relaxed);
  }

  /// The rows, from the cache or the database. Blocks on a miss. Throws Error.
  template <class... Args>
  [[nodiscard]] Handle operator()(const Args&... args) const;

  /// The target that a key intent for this query with these parameters hits.
  template <class... Args>
  [[nodiscard]] Target key(const Args&... args) const {
    KeyEncoder encoder(*state_->prefix);
    (encoder.add(as_parameter(args)), ...);
    return key_target(encoder.key());
  }

 private:
  template <class, class, class...>
  friend class Prepared;

  using Setup = detail::PreparedSetup<Mapper>;
  struct State {
    State(Setup made, std::tuple<Taggers...> tags)
        : setup(std::move(made)), taggers(std::move(tags)) {}
    Setup setup;
    std::tuple<Taggers...> taggers;
    KeyPrefixRef prefix;
    std::atomic<bool> enabled{true};
  };

  static constexpr bool kConstantTags = (std::is_empty_v<Taggers> && ...);

  Prepared(Setup setup, std::tuple<Taggers...> taggers)
      : state_(std::make_shared<State>(std::move(setup), std::move(taggers))) {
    const Setup& s = state_->setup;
    state_->prefix = s.route.source(s.sql).prefix(type_name(), KeyPrefix::Form::sql, s.sql,
                                                  s.options.scope, s.route.loader().session());
  }

  template <class Change>
  [[nodiscard]] Prepared with(Change change) const {
    Setup setup = state_->setup;
    change(setup.options);
    return {std::move(setup), state_->taggers};
  }

  [[nodiscard]] std::string type_name() const {
    std::string name = detail::stored_type_name<T, Mapper>();
    for (const Target& tag : state_->setup.options.tags)
      name.append("/")
          .append(to_string(tag.kind()))
          .append(":" + std::to_string(tag.text().size()) + ":")  // or texts could run together
          .append(tag.text());
    (name.append("/").append(detail::type_tag<Taggers>()), ...);
    return name;
  }

  template <class... Args>
  void add_targets(std::vector<Target>& targets, const Args&... args) const {
    std::apply([&](const auto&... tagger) { (targets.push_back(tagger(args...)), ...); },
               state_->taggers);
  }

  /// What a miss does: out of the way of hits.
  template <class... Args>
  [[nodiscard, gnu::noinline]] ReadResult load(const CallKey& call, const Args&... args) const;

  std::shared_ptr<State> state_;
};

template <class T, class Mapper, class... Taggers>
template <class... Args>
auto Prepared<T, Mapper, Taggers...>::operator()(const Args&... args) const -> Handle {
  State& state = *state_;
  const Setup& setup = state.setup;
  KeyEncoder encoder(*state.prefix);
  (encoder.add(as_parameter(args)), ...);
  const CallKey call = encoder.call();
  Source& source = setup.route.source(setup.sql);
  Handle handle{ReadResult{}};
  ReadResult& read = detail::InPlace::of(handle);
  bool hit = false;
  if (state.enabled.load(std::memory_order_relaxed)) [[likely]] {
    if constexpr (kConstantTags) {
      hit = source.find({.call = call, .options = setup.options}, read);
    } else {
      std::vector<Target> declared = setup.options.tags;
      add_targets(declared, args...);
      const std::vector<TargetId> required = ids_of(declared);
      hit = source.find({.call = call, .options = setup.options, .required = required}, read);
    }
  }
  if (!hit) [[unlikely]]
    read = load(call, args...);
  return handle;
}

template <class T, class Mapper, class... Taggers>
template <class... Args>
auto Prepared<T, Mapper, Taggers...>::load(const CallKey& call, const Args&... args) const
    -> ReadResult {
  const Setup& setup = state_->setup;
  ReadOptions options = setup.options;
  options.cached = options.cached && state_->enabled.load(std::memory_order_relaxed);
  const detail::CallParameters<Args...> values(args...);
  const auto from_parameters = [&](std::vector<Target>& targets) { add_targets(targets, args...); };
  detail::QueryRequest<T, Mapper, decltype(from_parameters)> request(
      call, options, setup.route.loader(), values.views(), setup.mapper, from_parameters);
  return blocking_read(setup.route.source(setup.sql), request);
}

}  // namespace querymark
