#pragma once

#include <array>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <ranges>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

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
          finish(core, usual_way(core), load, few[i], hit, *reads[i], args...);
        });
      for (std::size_t i = 0; i < few.size(); ++i, ++place) take(place, *std::move(handles[i]));
    }
  }
}

/// One call that fills memory before anybody asks; `load` does what its purpose says.
template <class Load, class... Args>
void prefetch_one(const PreparedCore& core, Load load, const Args&... args) {
  require_prefetch(core.setup.route.source(core.setup.sql));
  KeyEncoder encoder(*core.prefix);
  (encoder.add_argument(args), ...);
  static_cast<void>(load(core, usual_way(core), Purpose::prefetch, encoder.call(), args...));
}

/// The request of a call on its own feet, null where memory would serve it. `detach` makes one.
template <class Declared, class Detach, class... Args>
[[nodiscard]] std::unique_ptr<ReadRequest> unless_in_memory(const PreparedCore& core,
                                                            Declared declared, Detach detach,
                                                            const Args&... args) {
  KeyEncoder encoder(*core.prefix);
  (encoder.add_argument(args), ...);
  const CallKey call = encoder.call();
  std::vector<TargetId> required;
  if constexpr (!std::is_null_pointer_v<Declared>)
    if (declared != nullptr) required = declared(core, args...);
  if (is_in_memory(core.setup.route.source(core.setup.sql), call, core.setup.options, required))
    return nullptr;
  return detach(core, usual_way(core), call, args...);
}

/// A prefetch for each of `keys`. Where one of them throws, those before it are prefetched.
template <class Declared, class Detach, class Keys>
void prefetch_each(const PreparedCore& core, Declared declared, Detach detach, const Keys& keys) {
  Source& source = core.setup.route.source(core.setup.sql);
  require_prefetch(source);
  OwnRequests requests;
  const auto hand_over = [&] { prefetch_together(source, std::exchange(requests, {})); };
  try {
    for (const auto& key : keys) {
      with_arguments<Keys>(key, [&](const auto&... args) {
        if (auto request = unless_in_memory(core, declared, detach, args...))
          requests.push_back(std::move(request));
      });
      if (requests.size() == kTogether) hand_over();
    }
  } catch (...) {  // of a tagger, say
    hand_over();
    throw;
  }
  hand_over();
}

/// A warm-up for each of `keys`.
template <class Declared, class Detach, class Keys>
[[nodiscard]] WarmUp warm_up(const PreparedCore& core, const WarmUpOptions& options,
                             Declared declared, Detach detach, const Keys& keys) {
  Source& source = core.setup.route.source(core.setup.sql);
  require_warm_up(source, options);
  auto key = std::ranges::begin(keys);
  const auto wanted = static_cast<std::size_t>(std::ranges::distance(keys));
  return warm_each(wanted, options, [&](WarmUp& so_far, std::size_t next) {
    OwnRequests requests;
    for (; next > 0; --next) {
      const auto& now = *key++;
      try {
        with_arguments<Keys>(now, [&](const auto&... args) {
          if (auto request = unless_in_memory(core, declared, detach, args...))
            requests.push_back(std::move(request));
          else
            ++so_far.already;
        });
      } catch (...) {  // of a tagger, say, which may throw anything
        count_failed(so_far, std::current_exception());
      }
    }
    warm_together(source, requests, so_far);
  });
}

}  // namespace querymark::detail
