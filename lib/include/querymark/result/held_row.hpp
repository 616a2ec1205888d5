#pragma once

#include <cstddef>
#include <string_view>
#include <type_traits>
#include <utility>

#include "querymark/result/result_set.hpp"

// For users, who need not name them.

namespace querymark {

/// One cell together with the rows that it lies in.
class HeldField {
 public:
  HeldField(ResultSet set, std::size_t row, std::size_t column) noexcept
      : set_(std::move(set)), row_(row), column_(column) {}

  [[nodiscard]] ValueType type() const { return field().type(); }
  [[nodiscard]] bool is_null() const { return field().is_null(); }
  /// See Field. What points into the rows has to be asked of a named Result.
  template <class T>
  [[nodiscard]] T as() const {
    static_assert(!std::is_same_v<T, std::string_view>,
                  "ask for a std::string, or name the Result");
    return field().as<T>();
  }

 private:
  [[nodiscard]] Field field() const { return set_[row_][column_]; }

  ResultSet set_;
  std::size_t row_;
  std::size_t column_;
};

/// One row together with the rows that it lies in.
class HeldRow {
 public:
  /// Throws TypeError when there is no such row.
  HeldRow(ResultSet set, std::size_t index) : set_(std::move(set)), index_(index) {
    static_cast<void>(set_[index_]);
  }

  [[nodiscard]] std::size_t size() const noexcept { return set_.columns(); }
  /// Throws TypeError when there is no such column.
  [[nodiscard]] HeldField operator[](std::size_t column) const {
    static_cast<void>(set_[index_][column]);
    return {set_, index_, column};
  }
  [[nodiscard]] HeldField operator[](std::string_view column) const {
    static_cast<void>(set_[index_][column]);
    return {set_, index_, *set_.find_column(column)};
  }

 private:
  ResultSet set_;
  std::size_t index_;
};

}  // namespace querymark
