#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/select_text.hpp"
#include "track/tracking.hpp"

// Which rows of a query's FROM can influence its result: those that don't contradict what is true of each
// row that it lets through. A row of a table by whose side `column = value` stands in WHERE, or follows from
// the equalities there and in ON, has that value or counts for nothing.

namespace querymark::sqlite {

/// A table that a query reads, with the routes by which its triggers report.
struct ReadTable {
  TableShape shape{};
  std::vector<RouteColumns> routes{};
  bool tracked = true;
};
/// Null for what is no table, or none that the query reads.
using FindTable = std::function<const ReadTable*(std::string_view name)>;

/// One item of FROM that is a table.
struct Footprint {
  const ReadTable* table = nullptr;
  std::optional<Occurrence> occurrence{};  ///< Nothing: any row.
  std::vector<const ColumnShape*>
      tied{};  ///< Whose values are known, whether they are routed or not.
};
/// In the order of the items.
[[nodiscard]] std::vector<Footprint> footprints_of(const SelectText& text, const FindTable& find,
                                                   const TextRules& rules = {});

}  // namespace querymark::sqlite
