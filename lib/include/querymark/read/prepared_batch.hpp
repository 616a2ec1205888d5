#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <ranges>
#include <span>
#include <tuple>
#include <utility>

#include "querymark/key/key_encoder.hpp"
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

/// A call for each of `keys`, a few at a time, so that memory is waited for once for all of those.
/// `take` gets each call's place and handle. It is called when its few are there, so that all are
/// judged before the caller's code goes on.
template <class Handle, class Declared, class Load, class Keys, class Take>
void serve_many(const PreparedCore& core, Declared declared, Load load, const Keys& keys,
                Take&& take) {
  constexpr std::size_t kFew = 8;  // about as many lines as a processor has under way at once
  const ReadOptions& options = core.setup.options;
  std::size_t place = 0;
  for (auto key = std::ranges::begin(keys); key != std::ranges::end(keys);) {
    Source& source = core.setup.route.source(core.setup.sql);  // `take` may have ended it
    std::array<std::optional<KeyEncoder>, kFew> encoders;
    std::array<CallKey, kFew> calls;
    std::array<std::optional<Handle>, kFew> handles;
    std::array<ReadResult*, kFew> reads;
    std::size_t count = 0;
    const auto first = key;
    for (; count < kFew && key != std::ranges::end(keys); ++key, ++count) {
      KeyEncoder& encoder = encoders[count].emplace(*core.prefix);
      with_arguments<Keys>(*key, [&](const auto&... args) { (encoder.add_argument(args), ...); });
      calls[count] = encoder.call();
      reads[count] = &InPlace::of(handles[count].emplace(ReadResult{}));
    }
    const bool together = declared == nullptr && core.looks_at_once.load(std::memory_order_relaxed);
    if (together)
      source.find_each(std::span(calls).first(count), options, std::span(reads).first(count));
    auto of_call = first;
    for (std::size_t i = 0; i < count; ++i, ++of_call)
      with_arguments<Keys>(*of_call, [&](const auto&... args) {
        bool hit = static_cast<bool>(reads[i]->entry);
        if (!together) hit = look(core, source, declared, calls[i], *reads[i], args...);
        finish(core, load, calls[i], hit, *reads[i], args...);
      });
    for (std::size_t i = 0; i < count; ++i, ++place) take(place, *std::move(handles[i]));
  }
}

}  // namespace querymark::detail
