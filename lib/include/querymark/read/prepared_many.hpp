#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "querymark/key/key_encoder.hpp"
#include "querymark/read/by_ordinal.hpp"
#include "querymark/read/many_loads.hpp"
#include "querymark/read/prepared_core.hpp"
#include "querymark/read/query_request.hpp"

// For nobody outside: what `fetch_many` of prepared queries does.

namespace querymark::detail {

/// Keys that lie side by side, of a type that can be an element of a list.
template <class Keys>
concept KeyRange =
    std::ranges::contiguous_range<const Keys> && std::ranges::sized_range<const Keys> &&
    BindableParameter<std::ranges::range_value_t<Keys>>;

/// A `fetch_each` for parameters of these types, the first of which is the key's.
template <class Handle, class... Args>
struct ManyCall {
  using Pointer = std::nullptr_t;
};
template <class Handle, class Key, class... Rest>
struct ManyCall<Handle, Key, Rest...> {
  using Pointer = std::vector<Handle> (*)(const PreparedCore&, const Consistency&,
                                          std::span<const Key>, const Rest&...);
};

/// A key that memory could not serve; it is the caller's.
template <class Key>
struct MissedKey {
  const Key* key;
  std::string parameters;  // encoded
  std::uint64_t hash;
};

/// The reads of those keys, whose loads are one statement.
template <class T, class Mapper, class Targets, class Key, class... Rest>
class MissedReads final : public ManyLoads {
 public:
  MissedReads(const PreparedCore& core, const ReadOptions& options, const Mapper& mapper)
      : core_(core), options_(options), mapper_(mapper) {}

  /// All must live as long as the reads.
  void add(const MissedKey<Key>& missed, Targets targets, bool keyed_targets, const Rest&... rest) {
    One& one = all_.emplace_back(*this, missed, std::move(targets), rest...);
    one.request.keyed_targets = keyed_targets;
    requests_.push_back(&one.request);
  }
  [[nodiscard]] std::vector<ReadResult> run(Source& source) {
    return blocking_read_many(source, requests_, *this);
  }

  [[nodiscard]] std::vector<Answer> load(std::span<const Wanted> wanted, bool replica) override {
    std::vector<ParameterView> keys;
    for (const Wanted& one : wanted) keys.push_back(all_[one.request].values.views()[0]);
    std::vector<LoadedRows> loaded =
        load_by_ordinal(core_.setup.route.loader(), core_.setup.sql, keys,
                        all_[wanted[0].request].values.views().subspan(1), replica);
    std::vector<Answer> answers;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      try {  // what can't be mapped concerns its own key alone
        answers.emplace_back(
            all_[wanted[i].request].request.made_of(std::move(loaded[i]), *wanted[i].init));
      } catch (...) {  // the caller's code may throw anything
        answers.emplace_back(std::current_exception());
      }
    }
    return answers;
  }

 private:
  struct One {
    One(const MissedReads& reads, const MissedKey<Key>& missed, Targets made, const Rest&... rest)
        : call{.view = {reads.core_.prefix.get(), missed.parameters}, .hash = missed.hash},
          values(*missed.key, rest...),
          targets(std::move(made)),
          request(call, reads.options_, reads.core_.setup.route, values.views(), reads.mapper_,
                  targets) {}
    CallKey call;
    CallParameters<Key, Rest...> values;
    Targets targets;
    QueryRequest<T, Mapper, Targets> request;
  };

  const PreparedCore& core_;
  const ReadOptions& options_;
  const Mapper& mapper_;
  std::deque<One> all_;
  std::vector<ReadRequest*> requests_;
};

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
[[nodiscard]] std::vector<Handle> fetch_each(const PreparedCore& core,
                                             const Consistency& consistency, const By& by,
                                             std::span<const Key> keys, const Rest&... rest) {
  Source& source = core.setup.route.source(core.setup.sql);
  const bool looks = consistency.is_eventual();  // else memory alone can't tell
  std::vector<Handle> handles;
  handles.reserve(keys.size());
  std::deque<MissedKey<Key>> missed;
  std::unordered_map<std::string_view, std::size_t> numbers;  // of each one missed
  std::vector<std::pair<std::size_t, std::size_t>> waiting;   // a handle, and a number
  for (const Key& key : keys) {
    KeyEncoder encoder(*core.prefix);
    encoder.add_argument(key);
    (encoder.add_argument(rest), ...);
    const CallKey call = encoder.call();
    ReadResult& read = InPlace::of(handles.emplace_back(ReadResult{}));
    if (looks && look(core, source, by.declared, call, read, key, rest...)) {
      finish(core, by.load, call, true, read, key, rest...);
      continue;
    }
    if (const auto before = numbers.find(call.view.parameters); before != numbers.end()) {
      waiting.emplace_back(handles.size() - 1, before->second);
      continue;
    }
    missed.push_back({&key, std::string(call.view.parameters), call.hash});
    numbers.emplace(missed.back().parameters, missed.size() - 1);
    waiting.emplace_back(handles.size() - 1, missed.size() - 1);
  }
  if (missed.empty()) return handles;
  const std::vector<ReadResult> found = by.load_many(core, consistency, missed, rest...);
  for (const auto& [handle, number] : waiting) InPlace::of(handles[handle]) = found[number];
  return handles;
}

}  // namespace querymark::detail
