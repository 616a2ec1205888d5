#pragma once  // For users.

#include <concepts>
#include <cstddef>
#include <functional>
#include <span>
#include <string_view>
#include <utility>

#include "querymark/key/parameter.hpp"
#include "querymark/result/result_set.hpp"

namespace querymark {

/// A yes or no about `Args`: any callable that gives one, and what `&&`, `||` and `!` make of several.
/// A value type. It is asked by many threads at once.
template <class... Args>
class Rule {
 public:
  Rule() = default;
  template <class Function>
    requires(!std::same_as<std::remove_cvref_t<Function>, Rule> &&
             std::is_invocable_r_v<bool, const Function&, Args...>)
  Rule(Function function) : asked_(std::move(function)) {}  // it is what it asks

  /// There is nothing to ask.
  [[nodiscard]] bool empty() const noexcept { return asked_ == nullptr; }
  /// Yes where there is nothing to ask. Throws what the callable throws.
  [[nodiscard]] bool operator()(Args... args) const { return !asked_ || asked_(args...); }

  [[nodiscard]] friend Rule operator&&(Rule a, Rule b) {
    return Rule(
        [a = std::move(a), b = std::move(b)](Args... args) { return a(args...) && b(args...); });
  }
  [[nodiscard]] friend Rule operator||(Rule a, Rule b) {
    return Rule(
        [a = std::move(a), b = std::move(b)](Args... args) { return a(args...) || b(args...); });
  }
  [[nodiscard]] friend Rule operator!(Rule a) {
    return Rule([a = std::move(a)](Args... args) { return !a(args...); });
  }

 private:
  std::function<bool(Args...)> asked_;
};

/// About a query and its parameters.
using CallRule = Rule<std::string_view, std::span<const ParameterView>>;
/// About the rows that a query has brought.
using RowsRule = Rule<const ResultSet&>;

/// As many rows at most.
[[nodiscard]] RowsRule at_most_rows(std::size_t rows);
/// As many bytes at most, as memory holds the rows.
[[nodiscard]] RowsRule at_most_bytes(std::size_t bytes);
/// At least one row.
[[nodiscard]] RowsRule has_rows();

}  // namespace querymark
