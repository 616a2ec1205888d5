#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "sql_tokens.hpp"

namespace querymark::postgres {

/// Follows a text, and judges each `$n` without a type beside it by where it stands. The server has settled its
/// type by what it stands beside, and keeps that when columns change theirs. So it must stand where its type
/// counts for nothing but how it is read: alone on a side of a comparison, in a list that is compared with, as
/// what a column gets, behind LIMIT. Part of anything more, such as a sum or a CASE, it decides of which type
/// that is.
class ParameterPlaces {
 public:
  /// `loose` becomes what stands of each $n.
  explicit ParameterPlaces(std::vector<bool>& loose) : loose_(loose) {}

  /// False: one stands elsewhere. `number`: of a parameter, from 0. `type`: this names one that lasts.
  [[nodiscard]] bool take(const SqlToken& token, std::size_t number, bool type);
  [[nodiscard]] bool end() { return !parameter_ || judge(nullptr); }

 private:
  [[nodiscard]] bool go_on(const SqlToken& token, bool type);
  [[nodiscard]] bool judge(const SqlToken* next);
  [[nodiscard]] bool is_compared() const;
  void begin(std::size_t number);
  void follow(const SqlToken& token);

  std::vector<bool>& loose_;
  SqlToken before_;
  SqlToken earlier_;
  std::string operator_;  // that `before_` ends, if it does
  struct Group {          // an open parenthesis or bracket
    bool takes = false;   // what stands in it alone is compared, or what columns get
    bool values = false;  // whether lists of VALUES may follow when it is closed
    bool inserts = false;
  };
  std::vector<Group> groups_;
  bool values_ = false;   // lists of an INSERT's VALUES may follow
  bool inserts_ = false;  // behind INTO
  bool closed_ = false;   // a list that is compared with ends just before

  std::optional<std::size_t> parameter_;  // the `$n` just before, without its type so far
  int colons_ = 0;                        // behind it
  std::string behind_;                    // the operator behind it
  bool stands_ = false;                   // it may, if nothing but an end follows
  bool begins_ = false;                   // it may, if a comparison follows
};

}  // namespace querymark::postgres
