#pragma once

#include <cstddef>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace querymark::postgres {

/// Which of the callers' statements a session keeps prepared: those that have come at least twice,
/// the most recent ones. Bounded. Not thread-safe.
class CallersStatements {
 public:
  static constexpr std::size_t kMost = 64;
  /// Longer texts are not kept: they are seldom sent twice.
  static constexpr std::size_t kLongest = 8192;

  struct Use {
    std::string name;      ///< Empty: to be run as a text.
    bool already = false;  ///< Prepared; else it is to be.
  };
  /// How to run it this time.
  [[nodiscard]] Use use(std::string_view sql);
  /// It has been prepared, under the name that `use` gave.
  void prepared(std::string_view sql) noexcept;
  /// It does not serve any more.
  void forget(std::string_view sql);
  /// The name of a prepared one that is to be deallocated, once for each.
  [[nodiscard]] std::optional<std::string> take_dropped();

 private:
  struct Known {
    std::string sql;
    std::string name;
    bool prepared = false;
  };
  using Place = std::list<Known>::iterator;
  void drop(Place place);

  std::list<Known> known_;  // the most recent one first
  std::unordered_map<std::string_view, Place> by_sql_;
  std::list<std::string> dropped_;
  std::size_t named_ = 0;
};

}  // namespace querymark::postgres
