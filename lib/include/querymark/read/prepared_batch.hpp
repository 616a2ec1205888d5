#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <ranges>
#include <span>
#include <tuple>
#include <utility>

#include "querymark/key/key_encoder.hpp"
#include "querymark/read/ahead.hpp"
#include "querymark/read/prepared_core.hpp"
#include "querymark/read/result.hpp"

// For nobody outside: many calls of a prepared query at once.

namespace querymark::detail {

template <class Key>
inline constexpr bool kIsTuple = false;
template <class... Args>
inline constexpr bool kIsTuple<std::tuple<Args...>> = true;

/// What a range's element is for a query of those parameters: the parameter, or a tuple of them.
template <class Key, class... Args>
concept KeysOf =
    std::same_as<std::tuple<Key>, std::tuple<Args...>> || std::same_as<Key, std::tuple<Args...>>;

/// Calls `act.template operator()<Args...>()` with the types of the parameters in a Key.
template <class Key, class Act>
void with_types_of(Act&& act) {
  if constexpr (kIsTuple<Key>)
    [&]<class... Args>(std::type_identity<std::tuple<Args...>>) {
      act.template operator()<Args...>();
    }(std::type_identity<Key>());
  else
    act.template operator()<Key>();
}

/// Calls `act` with the parameters in an element of a range of keys.
template <class Keys, class Act>
[[gnu::always_inline]] inline void with_arguments(const std::ranges::range_value_t<const Keys>& key,
                                                  Act&& act) {
  if constexpr (kIsTuple<std::ranges::range_value_t<const Keys>>)
    std::apply(act, key);
  else
    act(key);
}

/// A call for each of `keys`, some at a time, so that memory is waited for once for all of those.
/// `take` gets each call's place and handle. It is called when its few are there, so that all are
/// judged before the caller's code goes on.
template <class Handle, class Declared, class Load, class Keys, class Take>
void serve_many(const PreparedCore& core, Declared declared, Load load, const Keys& keys,
                Take&& take) {
  constexpr std::size_t kAhead = 16;  // about as many lines as a processor has under way at once
  constexpr std::size_t kFew = 8;     // no more than a thread has hazards for
  std::size_t place = 0;
  auto key = std::ranges::begin(keys);  // the next to be encoded
  auto of_call = key;                   // the next to be served
  while (key != std::ranges::end(keys)) {
    std::array<std::optional<KeyEncoder>, kAhead> encoders;
    std::array<CallKey, kAhead> calls;
    std::size_t ahead = 0;
    for (; ahead < kAhead && key != std::ranges::end(keys); ++key, ++ahead) {
      KeyEncoder& encoder = encoders[ahead].emplace(*core.prefix);
      with_arguments<Keys>(*key, [&](const auto&... args) { (encoder.add_argument(args), ...); });
      calls[ahead] = encoder.call();
    }
    for (std::size_t done = 0; done < ahead; done += kFew) {
      Source& source = core.setup.route.source(core.setup.sql);  // `take` may have ended it
      if (done == 0) source.expect(std::span(calls).first(ahead));
      const auto few = std::span(calls).first(ahead).subspan(done, std::min(kFew, ahead - done));
      std::array<std::optional<Handle>, kFew> handles;
      std::array<ReadResult*, kFew> reads;
      for (std::size_t i = 0; i < few.size(); ++i)
        reads[i] = &InPlace::of(handles[i].emplace(ReadResult{}));
      const bool together =
          declared == nullptr && core.looks_at_once.load(std::memory_order_relaxed);
      if (together) source.find_each(few, core.setup.options, std::span(reads).first(few.size()));
      for (std::size_t i = 0; i < few.size(); ++i, ++of_call)
        with_arguments<Keys>(*of_call, [&](const auto&... args) {
          const bool hit = together ? static_cast<bool>(reads[i]->entry)
                                    : look(core, source, declared, few[i], *reads[i], args...);
          finish(core, load, few[i], hit, *reads[i], args...);
        });
      for (std::size_t i = 0; i < few.size(); ++i, ++place) take(place, *std::move(handles[i]));
    }
  }
}

/// One call that fills memory before anybody asks; `load` does what its purpose says.
template <class Load, class... Args>
ReadResult ahead(const PreparedCore& core, Purpose purpose, Load load, const Args&... args) {
  Source& source = core.setup.route.source(core.setup.sql);
  if (purpose == Purpose::prefetch) require_prefetch(source);
  KeyEncoder encoder(*core.prefix);
  (encoder.add_argument(args), ...);
  return load(core, purpose, core.setup.options.consistency, encoder.call(), args...);
}

/// A warm-up for each of `keys`, whose parameters `look` gets.
template <class Keys, class Look>
[[nodiscard]] WarmUp warm_up(const PreparedCore& core, const WarmUpOptions& options,
                             const Keys& keys, Look look) {
  require_warm_up(core.setup.route.source(core.setup.sql), options);
  auto key = std::ranges::begin(keys);
  const auto wanted = static_cast<std::size_t>(std::ranges::distance(keys));
  return warm_each(wanted, options, [&] {
    ReadResult read;
    const auto& now = *key++;
    with_arguments<Keys>(now, [&](const auto&... args) { read = look(args...); });
    return read;
  });
}

}  // namespace querymark::detail
