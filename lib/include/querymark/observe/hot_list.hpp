#pragma once  // For the library itself.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "querymark/observe/query_table.hpp"
#include "querymark/observe/space_saving.hpp"
#include "querymark/support/mutex.hpp"

namespace querymark {

/// The hottest of some keys or tags, with what they are called. Thread-safe: one mutex, for which
/// nobody waits that has something to count. Whatever comes while it is held is not counted, so that a list
/// costs a busy cache no more than an idle one.
class HotList {
 public:
  /// Of a name that is longer the beginning is kept.
  static constexpr std::size_t kLongestName = 96;

  /// What something is called.
  struct Name {
    const QueryRecord* query = nullptr;  ///< Of a key: what it is counted under.
    std::string_view bytes{};
    bool encoded = false;  ///< They are parameters, and no text.
  };
  struct Spot {
    const QueryRecord* query;
    std::string bytes;
    bool encoded;
    bool cut;  ///< They are a beginning.
    std::uint64_t count;
    std::uint64_t error;
  };

  /// `by` more of what has this id, and is called so. Does not block, allocate or throw.
  void add(std::uint64_t id, const Name& name, std::uint64_t by = 1) noexcept;
  /// Gives what has this id, if it is here without a name, that which `describe()` returns.
  template <class Describe>
  void name(std::uint64_t id, Describe&& describe) {
    const MutexLock lock(mutex_);
    Called* const nameless = find_nameless(id);
    if (nameless != nullptr) call(*nameless, {.bytes = describe()});
  }
  /// At most `most`, the hottest first.
  [[nodiscard]] std::vector<Spot> top(std::size_t most) const;
  void clear() noexcept;

 private:
  struct Called {
    const QueryRecord* query = nullptr;
    std::uint8_t size = 0;
    bool encoded = false;
    bool cut = false;
    std::array<char, kLongestName> bytes{};
  };
  static void call(Called& spot, const Name& name) noexcept;
  [[nodiscard]] Called* find_nameless(std::uint64_t id) noexcept QUERYMARK_REQUIRES(mutex_);

  mutable Mutex mutex_;  // innermost
  SpaceSaving counts_ QUERYMARK_GUARDED_BY(mutex_);
  std::array<Called, SpaceSaving::kPlaces> called_ QUERYMARK_GUARDED_BY(mutex_);
};

/// Those of one cache. About 70 KiB, beside `memory_bytes`.
struct HotLists {
  /// Of so many hits one is counted, for all.
  static constexpr std::uint64_t kHitsEach = 1024;
  /// Whether it is the one with this number. Numbers times the golden ratio are spread evenly, so that what is
  /// read in turns is not always hit at the same place.
  [[nodiscard]] static constexpr bool counts_hit(std::uint64_t number) noexcept {
    return (number * 0x9E3779B97F4A7C15ULL) >> 54U == 0;
  }

  HotList reads, misses, deaths, killers;
};

}  // namespace querymark
