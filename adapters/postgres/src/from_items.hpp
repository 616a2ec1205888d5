#pragma once

#include <vector>

#include "sql_tokens.hpp"

namespace querymark::postgres {

/// Follows a text, and says where a call would be an item of a FROM: then what it gives becomes columns,
/// which are known by their places. Takes too much for one rather than too little.
class FromItems {
 public:
  /// Of `before`, which a parenthesis follows.
  [[nodiscard]] bool calls(const SqlToken& earlier) const noexcept {
    if (!lists_ || conditions_) return false;
    return earlier.is(',') || earlier.is('(') ||
           earlier.is_one_of({"from", "join", "lateral", "using"});
  }

  void follow(const SqlToken& token, const SqlToken& before) {
    if (token.is('(')) {
      outer_.push_back({lists_, conditions_});
      const bool goes_on =
          !before.is_identifier() || before.is_one_of({"from", "join", "lateral", "using"});
      lists_ = lists_ && !conditions_ && goes_on;
      conditions_ = false;
    } else if (token.is(')') && !outer_.empty()) {
      lists_ = outer_.back().lists;
      conditions_ = outer_.back().conditions;
      outer_.pop_back();
    } else if (token.is(',')) {
      conditions_ = false;
    } else if (token.is("join") || token.is("using") ||
               (token.is("from") && !before.is("distinct"))) {
      lists_ = true;
      conditions_ = false;
    } else if (token.is("on")) {
      conditions_ = true;
    } else if (token.is_one_of({"where", "group", "order", "having", "limit", "offset", "fetch",
                                "window", "union", "intersect", "except", "returning", "set",
                                "when", "select", "values"})) {
      lists_ = false;
    }
  }

 private:
  struct Outer {
    bool lists;
    bool conditions;
  };
  bool lists_ = false;       // behind a FROM
  bool conditions_ = false;  // and an ON of it
  std::vector<Outer> outer_;
};

}  // namespace querymark::postgres
