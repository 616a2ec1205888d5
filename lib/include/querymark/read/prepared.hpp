#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "querymark/key/key_encoder.hpp"
#include "querymark/read/query_request.hpp"
#include "querymark/read/source.hpp"
#include "querymark/support/time_span.hpp"

namespace querymark {

/// A query whose SQL is encoded once. Calling it encodes the parameters into a buffer on the stack;
/// a hit does not allocate. Tags are built on a miss only, by callables that take the query's
/// parameters.
///
/// A handle: copies share one state. Thread-safe. Must not outlive the database it came from.
///
/// Tags are a function of the parameters as long as the callables have no state; their types are
/// part of the key, so another call site with the same SQL and other tags has entries of its own.
/// Callables with state (captures, function pointers) work too, but are then asked at each hit.
template <class T, class Mapper, class... Taggers>
class Prepared {
 public:
  using Handle = typename detail::StoredAs<T, Mapper>::Handle;

  /// Made by a database's `prepare`.
  Prepared(Source& source, Loader& loader, std::string sql, Mapper mapper)
      : Prepared(
            Settings{
                &source, &loader, std::move(sql), {}, source.options().default_ttl, {}, mapper},
            std::tuple<>{}) {}

  /// Adds a tag: a Target, or a callable that makes one from the parameters.
  template <class Tagger>
  [[nodiscard]] Prepared<T, Mapper, Taggers..., Tagger> tag(Tagger tagger) const {
    return {state_->settings,
            std::tuple_cat(state_->taggers, std::tuple<Tagger>(std::move(tagger)))};
  }
  /// How long a result may be served without an invalidation; zero: never, and nothing is kept.
  /// Throws ConfigError when negative.
  [[nodiscard]] Prepared ttl(TimeSpan ttl) const {
    Settings settings = state_->settings;
    settings.ttl = detail::not_negative(ttl, "a ttl");
    return {std::move(settings), state_->taggers};
  }
  /// The caller's own part of the key, such as a tenant.
  [[nodiscard]] Prepared scope(std::string scope) const {
    Settings settings = state_->settings;
    settings.scope = std::move(scope);
    return {std::move(settings), state_->taggers};
  }
  /// Longest wait for another caller's load of the same query; then Timeout is thrown. Zero: no
  /// limit. Throws ConfigError when negative.
  [[nodiscard]] Prepared timeout(TimeSpan timeout) const {
    Settings settings = state_->settings;
    settings.timeout = detail::not_negative(timeout, "a timeout");
    return {std::move(settings), state_->taggers};
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

  struct Settings {
    Source* source;
    Loader* loader;
    std::string sql;
    std::string scope;
    TimeSpan ttl;
    TimeSpan timeout;
    [[no_unique_address]] Mapper mapper;

    template <class Other>
    operator Other() const {  // the same settings for a query with one more tagger
      return {source, loader, sql, scope, ttl, timeout, mapper};
    }
  };
  struct State {
    Settings settings;
    std::tuple<Taggers...> taggers;
    KeyPrefixRef prefix;
    std::atomic<bool> enabled{true};
  };

  static constexpr bool kConstantTags =
      ((std::is_empty_v<Taggers> || std::is_same_v<Taggers, Target>) && ...);

  Prepared(Settings settings, std::tuple<Taggers...> taggers)
      : state_(std::make_shared<State>(std::move(settings), std::move(taggers), nullptr)) {
    const Settings& s = state_->settings;
    state_->prefix =
        s.source->prefix(type_name(), KeyPrefix::Form::sql, s.sql, s.scope, s.loader->session());
  }

  [[nodiscard]] std::string type_name() const {
    std::string name = detail::stored_type_name<T, Mapper>();
    const auto add = [&name](const auto& tagger) {
      name += '/';
      using Tagger = std::remove_cvref_t<decltype(tagger)>;
      if constexpr (std::is_same_v<Tagger, Target>)
        name.append(to_string(tagger.kind()))
            .append(":" + std::to_string(tagger.text().size()) +
                    ":")  // or texts could run together
            .append(tagger.text());
      else
        name += detail::type_tag<Tagger>();
    };
    std::apply([&](const auto&... taggers) { (add(taggers), ...); }, state_->taggers);
    return name;
  }

  template <class... Args>
  void build_targets(std::vector<Target>& out, const Args&... args) const {
    const auto build = [&](const auto& tagger) {
      if constexpr (std::is_same_v<std::remove_cvref_t<decltype(tagger)>, Target>)
        out.push_back(tagger);
      else
        out.push_back(tagger(args...));
    };
    std::apply([&](const auto&... taggers) { (build(taggers), ...); }, state_->taggers);
  }

  /// What a miss does: out of the way of hits.
  template <class... Args>
  [[nodiscard, gnu::noinline]] ReadResult load(const Lookup& lookup, bool enabled,
                                               const Args&... args) const;

  std::shared_ptr<State> state_;
};

template <class T, class Mapper, class... Taggers>
template <class... Args>
auto Prepared<T, Mapper, Taggers...>::operator()(const Args&... args) const -> Handle {
  State& state = *state_;
  const Settings& settings = state.settings;
  KeyEncoder encoder(*state.prefix);
  (encoder.add(as_parameter(args)), ...);
  Lookup lookup{
      .key = encoder.key(), .hash = encoder.hash(), .max_age = settings.ttl, .required = {}};
  const bool enabled = state.enabled.load(std::memory_order_relaxed);
  Handle handle{ReadResult{}};
  ReadResult& read = detail::InPlace::of(handle);
  bool hit = false;
  if (enabled) [[likely]] {
    if constexpr (kConstantTags) {
      hit = settings.source->find(lookup, read);
    } else {
      std::vector<Target> declared;
      build_targets(declared, args...);
      std::vector<TargetId> required;
      for (const Target& target : declared) required.push_back(target.id());
      lookup.required = required;
      hit = settings.source->find(lookup, read);
    }
  }
  if (!hit) [[unlikely]]
    read = load(lookup, enabled, args...);
  return handle;
}

template <class T, class Mapper, class... Taggers>
template <class... Args>
auto Prepared<T, Mapper, Taggers...>::load(const Lookup& lookup, bool enabled,
                                           const Args&... args) const -> ReadResult {
  State& state = *state_;
  const Settings& settings = state.settings;
  const detail::CallParameters<Args...> values(args...);
  const auto targets = [&](std::vector<Target>& out) { build_targets(out, args...); };
  detail::QueryRequest<T, Mapper, decltype(targets)> request(*settings.loader, values.views(),
                                                             settings.mapper, targets);
  request.prefix = state.prefix;
  request.parameters = lookup.key.parameters;
  request.hash = lookup.hash;
  request.ttl = settings.ttl;
  request.enabled = enabled;
  request.deadline = detail::deadline_of(settings.timeout);
  return settings.source->read(request);
}

}  // namespace querymark
