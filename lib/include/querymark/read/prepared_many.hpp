#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <ranges>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "querymark/key/key_encoder.hpp"
#include "querymark/read/begun_read.hpp"
#include "querymark/read/blocking_driver.hpp"
#include "querymark/read/many_reads.hpp"
#include "querymark/read/prepared_core.hpp"
#include "querymark/read/query_request.hpp"

// For nobody outside: what `fetch_many` of prepared queries does.

namespace querymark::detail {

/// Keys of a type that can be an element of a list: a vector, a set, a view that can be gone through when const.
template <class Keys>
concept KeyRange = std::ranges::forward_range<const Keys> &&
                   BindableParameter<std::ranges::range_value_t<const Keys>> &&
                   !std::same_as<std::ranges::range_value_t<const Keys>, bool>;

/// They themselves where they lie side by side, else copies that do.
template <class Keys>
[[nodiscard]] auto side_by_side(const Keys& keys) {
  using Key = std::ranges::range_value_t<const Keys>;
  if constexpr (std::ranges::contiguous_range<const Keys> && std::ranges::sized_range<const Keys>) {
    return std::span<const Key>(keys);
  } else {
    std::vector<Key> copies;
    for (auto&& key : keys) copies.emplace_back(key);
    return copies;
  }
}

/// A key that memory could not serve; it is the caller's.
template <class Key>
struct MissedKey {
  const Key* key;
  std::string parameters;  // encoded
  std::uint64_t hash;
};

/// The reads of those keys, on the caller's stack.
template <class T, class Mapper, class Targets, class Key, class... Rest>
class MissedReads {
 public:
  MissedReads(const Route& route, const ReadOptions& options, const Mapper& mapper)
      : route_(route), options_(options), mapper_(mapper) {}

  /// All must live as long as the reads.
  void add(const KeyPrefix& prefix, const MissedKey<Key>& missed, Targets targets,
           bool keyed_targets, const Rest&... rest) {
    One& one = all_.emplace_back(*this, prefix, missed, std::move(targets), rest...);
    one.request.keyed_targets = keyed_targets;
    requests_.push_back(&one.request);
  }
  [[nodiscard]] const std::vector<ReadRequest*>& requests() const noexcept { return requests_; }

 private:
  struct One {
    One(const MissedReads& reads, const KeyPrefix& prefix, const MissedKey<Key>& missed,
        Targets made, const Rest&... rest)
        : call{.view = {&prefix, missed.parameters}, .hash = missed.hash},
          values(*missed.key, rest...),
          targets(std::move(made)),
          request(call, reads.options_, reads.route_, values.views(), reads.mapper_, targets) {}
    CallKey call;
    CallParameters<Key, Rest...> values;
    Targets targets;
    QueryRequest<T, Mapper, Targets> request;
  };

  const Route& route_;
  const ReadOptions& options_;
  const Mapper& mapper_;
  std::deque<One> all_;
  std::vector<ReadRequest*> requests_;
};

/// What memory had of a call for many keys, and which handles wait for which of those that it had not.
template <class Handle, class Missed>
struct LookedFor {
  std::vector<Handle> handles{};  // one for each key, in their order
  std::deque<Missed> missed{};
  std::vector<std::pair<std::size_t, std::size_t>> waiting{};  // a handle, and a number of a miss

  /// `found`: of each miss.
  void fill(const std::vector<ReadResult>& found) {
    for (const auto& [handle, number] : waiting) InPlace::of(handles[handle]) = found[number];
  }
};

/// Looks into memory, which may answer if `looks`. `declared` and `load`: see `look` and `finish`;
/// `miss(key, call)` makes what stands for a key that is missing, each once.
template <class Handle, class Missed, class Declared, class Load, class Miss, class Key,
          class... Rest>
[[nodiscard]] LookedFor<Handle, Missed> look_each(const PreparedCore& core, Way way, bool looks,
                                                  Declared declared, Load load, Miss&& miss,
                                                  std::span<const Key> keys, const Rest&... rest) {
  Source& source = way.route.source(core.setup.sql);
  LookedFor<Handle, Missed> looked;
  looked.handles.reserve(keys.size());
  std::unordered_map<std::string, std::size_t> numbers;  // of each miss
  for (const Key& key : keys) {
    KeyEncoder encoder(*core.prefix);
    encoder.add_argument(key);
    (encoder.add_argument(rest), ...);
    const CallKey call = encoder.call();
    ReadResult& read = InPlace::of(looked.handles.emplace_back(no_value<Handle>()));
    if (looks && look(core, source, declared, call, read, key, rest...)) {
      finish(core, way, load, call, true, read, key, rest...);
      continue;
    }
    const auto [number, is_new] =
        numbers.try_emplace(std::string(call.view.parameters), looked.missed.size());
    if (is_new) looked.missed.push_back(miss(key, call));
    looked.waiting.emplace_back(looked.handles.size() - 1, number->second);
  }
  return looked;
}

/// How one call reads: with what is declared and loaded for one key, as `serve` takes them, and what
/// loads for several.
template <class Declared, class Load, class LoadMany>
struct ManyBy {
  Declared declared;
  Load load;
  LoadMany load_many;
};

/// A call for many keys: a handle for each, in their order.
template <class Handle, class By, class Key, class... Rest>
[[nodiscard]] std::vector<Handle> fetch_each(const PreparedCore& core, Way way, bool looks,
                                             const By& by, std::span<const Key> keys,
                                             const Rest&... rest) {
  const auto miss = [](const Key& key, const CallKey& call) {
    return MissedKey<Key>{&key, std::string(call.view.parameters), call.hash};
  };
  auto looked = look_each<Handle, MissedKey<Key>>(core, way, looks, by.declared, by.load, miss,
                                                  keys, rest...);
  if (!looked.missed.empty()) looked.fill(by.load_many(core, way, looked.missed, rest...));
  return std::move(looked.handles);
}

/// The reads of what memory had not, of requests on their own feet. The source must outlive them.
template <class Handle>
class OwnReads final : public RunningReadOf<std::vector<Handle>> {
 public:
  using Looked = LookedFor<Handle, std::unique_ptr<ReadRequest>>;

  OwnReads(Source& source, Looked looked)
      : looked_(std::move(looked)), reads_(source, all_of(looked_)) {}
  [[nodiscard]] RunningRead::Next next(ReadWaker& waker) override { return reads_.next(waker); }
  void work() override { reads_.work(); }
  [[nodiscard]] std::vector<Handle> take() override {
    looked_.fill(results_of(reads_.take()));
    return std::move(looked_.handles);
  }

 private:
  static std::vector<ReadRequest*> all_of(const Looked& looked) {
    std::vector<ReadRequest*> all;
    for (const auto& request : looked.missed) all.push_back(request.get());
    return all;
  }

  Looked looked_;
  ManyReads reads_;
};

/// The same call for who runs what memory does not have. `detach` makes a request of one key.
template <class Handle, class Declared, class Load, class Detach, class Key, class... Rest>
[[nodiscard]] BegunRead<std::vector<Handle>> begin_each(const PreparedCore& core, Way way,
                                                        bool looks, Declared declared, Load load,
                                                        Detach detach, std::span<const Key> keys,
                                                        const Rest&... rest) {
  BegunRead<std::vector<Handle>> begun{.source = &way.route.source(core.setup.sql)};
  auto looked = look_each<Handle, std::unique_ptr<ReadRequest>>(
      core, way, looks, declared, load,
      [&](const Key& key, const CallKey& call) { return detach(core, way, call, key, rest...); },
      keys, rest...);
  if (looked.missed.empty())
    begun.handle = std::move(looked.handles);
  else
    begun.running = std::make_unique<OwnReads<Handle>>(*begun.source, std::move(looked));
  return begun;
}

/// A `fetch_each` for parameters of these types, the first of which is the key's.
template <class Handle, class... Args>
struct ManyCall {
  using Pointer = std::nullptr_t;
};
template <class Handle, class Key, class... Rest>
struct ManyCall<Handle, Key, Rest...> {
  using Pointer = std::vector<Handle> (*)(const PreparedCore&, Way, bool, std::span<const Key>,
                                          const Rest&...);
  /// A `begin_each` of just these types.
  template <class Declared, class Load, class Detach>
  [[nodiscard]] static BegunRead<std::vector<Handle>> begin(const PreparedCore& core, Way way,
                                                            bool looks, Declared declared,
                                                            Load load, Detach detach,
                                                            std::span<const Key> keys,
                                                            const Rest&... rest) {
    return begin_each<Handle>(core, way, looks, declared, load, detach, keys, rest...);
  }
};

}  // namespace querymark::detail
