#pragma once  // For users.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "querymark/support/error.hpp"

namespace querymark {

/// Which constraint a statement, or the commit, would have violated, as far as the database tells:
/// what it does not tell is empty.
struct ViolatedConstraint {
  enum class Kind : std::uint8_t {
    unique,  ///< A primary key, too.
    foreign_key,
    not_null,
    check,
    exclusion,
    other,  ///< Such as what a trigger raises.
  };

  Kind kind = Kind::other;
  /// Its name. SQLite tells that of a check (its expression, where it has none) and of an index on
  /// expressions; PostgreSQL that of all but not_null.
  std::string name{};
  /// SQLite tells table and columns of unique and not_null.
  std::string table{};
  std::string schema{};                ///< Of the table; PostgreSQL's.
  std::vector<std::string> columns{};  ///< PostgreSQL tells that of not_null.
  /// The database's own words on the rows at fault. They hold values of the rows, so they are no
  /// part of what(): keep them from logs that must not have those.
  std::string detail{};
};

/// A constraint of the schema forbids what was to be written. `native_code()` is the SQLSTATE
/// ("23505") or SQLite's extended code ("SQLITE_CONSTRAINT_UNIQUE"). Repeating the call changes
/// nothing while the rows are as they are. On PostgreSQL the transaction can only be rolled back,
/// if need be to a savepoint; on SQLite only the statement is undone.
class ConstraintViolation : public Error {
 public:
  using Kind = ViolatedConstraint::Kind;

  ConstraintViolation(const std::string& what, ErrorTraits traits, ViolatedConstraint violated)
      : Error(what, std::move(traits)), violated_(std::move(violated)) {}

  [[nodiscard]] Kind kind() const noexcept { return violated_.kind; }
  [[nodiscard]] const std::string& constraint() const noexcept { return violated_.name; }
  [[nodiscard]] const std::string& table() const noexcept { return violated_.table; }
  [[nodiscard]] const std::string& schema() const noexcept { return violated_.schema; }
  [[nodiscard]] const std::vector<std::string>& columns() const noexcept {
    return violated_.columns;
  }
  /// The only column; empty when there are none or several.
  [[nodiscard]] std::string column() const {
    return violated_.columns.size() == 1 ? violated_.columns.front() : std::string();
  }
  /// See ViolatedConstraint.
  [[nodiscard]] const std::string& detail() const noexcept { return violated_.detail; }

 private:
  ViolatedConstraint violated_;
};

}  // namespace querymark
