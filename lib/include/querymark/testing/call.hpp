#pragma once

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "querymark/database/session_settings.hpp"
#include "querymark/key/parameters.hpp"
#include "querymark/result/result_set.hpp"

// For users: what the answers of a testing::MemoryDatabase are made of.

namespace querymark::testing {

/// Rows as a query answers them: `Table({"id", "name"}).row(1, "tea").row(2, "cup")`. A value type.
class Table {
 public:
  explicit Table(std::initializer_list<std::string_view> columns);

  /// Adds a row; a cell is whatever can be a parameter, `std::nullopt` is NULL. Throws ConfigError
  /// for another number of cells than columns.
  template <BindableParameter... Cells>
  Table& row(const Cells&... cells) & {
    add(detail::CallParameters<Cells...>(cells...).views());
    return *this;
  }
  template <BindableParameter... Cells>
  Table&& row(const Cells&... cells) && {
    add(detail::CallParameters<Cells...>(cells...).views());
    return std::move(*this);
  }
  [[nodiscard]] ResultSet rows() const;

 private:
  void add(std::span<const ParameterView> cells);

  std::vector<std::string> columns_;
  std::vector<OwnedParameter> cells_;
};

/// One statement that was run, as its answer sees it. Lives as long as the call.
class Call {
 public:
  using Undo = std::function<void()>;

  /// `undo` is null in a read.
  Call(std::string_view sql, std::span<const ParameterView> parameters,
       const SessionSettings& settings, std::vector<Undo>* undo);

  [[nodiscard]] std::string_view sql() const noexcept { return sql_; }
  /// The number of parameters.
  [[nodiscard]] std::size_t size() const noexcept { return parameters_.columns(); }
  /// A parameter: `call[0].as<int>()`. Throws TypeError when there are fewer.
  [[nodiscard]] Field operator[](std::size_t index) const;
  /// What `Database::with` was given; empty without it.
  [[nodiscard]] const SessionSettings& settings() const noexcept { return settings_; }
  /// Runs `undo` if the write of this call is rolled back, after those of later calls. In a read
  /// nothing is ever rolled back.
  void on_rollback(Undo undo) const;

 private:
  std::string_view sql_;
  ResultSet parameters_;  // one row
  const SessionSettings& settings_;
  std::vector<Undo>* undo_;
};

}  // namespace querymark::testing
