#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "connection.hpp"
#include "querymark/automatic/analysis.hpp"

namespace querymark::sqlite {

/// A column, as far as its values can tell rows apart.
struct ColumnShape {
  std::string name{};
  /// How its values are reported: those that are equal are written equally. Nothing: `unroutable` says
  /// why they can't.
  std::optional<RouteType> type{};
  std::string unroutable{};
  bool is_rowid = false;  ///< Holds nothing but integers.
  bool generated = false;
  bool generated_when_read = false;
  bool not_null = false;
  std::string default_value{};  ///< As SQL; empty: none.
};

/// One column of a unique key.
struct KeyColumn {
  std::string column{};     ///< By which it is reached.
  std::string collation{};  ///< Empty: it is the rowid.
  /// What REPLACE puts in the place of a NULL, as SQL; empty: nothing.
  std::string instead_of_null{};
};
using UniqueKey = std::vector<KeyColumn>;

struct TriggerText {
  std::string name{};
  std::string sql{};
  friend bool operator==(const TriggerText&, const TriggerText&) = default;
};

/// A table as its schema describes it: all that its triggers are made of. A value type.
struct TableShape {
  enum class Kind : std::uint8_t { missing, table, view, virtual_table, internal };
  Kind kind = Kind::missing;
  std::string name{};  ///< As the schema spells it.
  std::vector<ColumnShape> columns{};
  std::vector<std::string> primary_key{};
  std::vector<UniqueKey> keys{};  ///< Each by which REPLACE may remove another row.
  std::string unroutable{};       ///< Why no rows of it can be told apart; empty: they can.
  std::string cut_short{};        ///< What may end a write of it before its report; empty: nothing.
  std::vector<TriggerText> triggers{};  ///< Anybody's, in the order in which they were created.

  /// Compares names as SQLite does. Null: none.
  [[nodiscard]] const ColumnShape* find(std::string_view column) const noexcept;
};

/// Reads it, inside the caller's transaction if one is open. Throws Error.
[[nodiscard]] TableShape shape_of(Connection& connection, const std::string& table);

}  // namespace querymark::sqlite
