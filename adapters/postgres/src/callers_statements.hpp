#pragma once

#include <chrono>
#include <cstddef>
#include <limits>
#include <list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lasting_text.hpp"
#include "pipeline.hpp"
#include "querymark/key/parameter.hpp"
#include "querymark/support/clock.hpp"

namespace querymark::postgres {

/// Which of the callers' statements, of loads and of writes, a session keeps prepared: those that
/// have come at least twice, the most recent ones, as long as they mean what their texts mean
/// (LastingText) and take about as long. Bounded. Not thread-safe.
///
/// Each is prepared anew after a minute, so that whatever LastingText overlooks comes to an end.
///
/// From its sixth use on a server may run a prepared statement by a plan that knows no values. Where
/// that is much slower, the statement goes back to its text for a while.
class CallersStatements {
 public:
  static constexpr std::size_t kMost = 64;
  /// Longer texts are not kept: they are seldom sent twice.
  static constexpr std::size_t kLongest = 8192;

  static constexpr std::chrono::minutes kAge{1};

  using Use = Prepared;
  /// How to run it this time.
  [[nodiscard]] Use use(std::string_view sql, std::span<const ParameterView> values,
                        MonotonicTime now);
  /// It has been prepared, under the name that `use` gave; `types` has the server settled for its
  /// parameters. Where they might not serve later, it is a text from now on.
  void prepared(std::string_view sql, std::span<const unsigned> types);
  /// How long a load took, as `use` said. (A write's time is also that of those it waits for.)
  void took(std::string_view sql, const Use& use, std::chrono::nanoseconds time);
  /// It is to be run as a text from now on.
  void keep_text(std::string_view sql);
  /// Each is to be prepared anew: definitions have changed.
  void prepare_anew();
  /// It does not serve any more.
  void forget(std::string_view sql);
  /// The name of a prepared one that is to be deallocated, once for each.
  [[nodiscard]] std::optional<std::string> take_dropped();
  /// Those were not deallocated.
  void keep_dropped(std::vector<std::string> names);

  /// Slow is what takes so many times as long as the slowest of the first, and so much longer;
  static constexpr int kTimes = 4;
  static constexpr std::chrono::milliseconds kLonger{2};
  /// and so often in all, before it rests for so many uses.
  static constexpr int kSlow = 3;
  static constexpr int kRest = 1000;
  /// So many uses by name have plans of their own.
  static constexpr int kOwnPlans = 5;

 private:
  static constexpr int kForGood = std::numeric_limits<int>::max();
  struct Known {
    std::string sql{};
    std::string name{};
    bool prepared = false;
    MonotonicTime named{};  ///< When it got its name.
    std::optional<LastingText> text{};
    std::chrono::nanoseconds slowest{};  ///< Of those with plans of their own.
    int by_name = 0;                     ///< Uses, up to kOwnPlans.
    int slow = 0;
    int resting = 0;  ///< Uses as a text that are to come.
  };
  using Place = std::list<Known>::iterator;
  void drop(Place place);
  // To be prepared anew, if it is: the plan, too, is another one then.
  void unname(Known& known);

  std::list<Known> known_;  // the most recent one first
  std::unordered_map<std::string_view, Place> by_sql_;
  std::list<std::string> dropped_;
  std::size_t named_ = 0;
};

}  // namespace querymark::postgres
