#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/tracked_head.hpp"

// What the triggers of `track` are, as text. They never fail a write: each expression in them is defined for
// each value.

namespace querymark::postgres {

enum class Change : std::uint8_t { insert, update, remove, truncate };
inline constexpr Change kChanges[] = {Change::insert, Change::update, Change::remove,
                                      Change::truncate};
/// `insert`, `update`, `delete`, `truncate`.
[[nodiscard]] std::string_view word(Change change) noexcept;
/// `querymark_insert`
[[nodiscard]] std::string trigger_name(Change change);

/// Once per statement, or for each row: logical replication fires only the latter.
enum class Firing : std::uint8_t { statement, row };
/// How a change is reported: nothing tells of a truncation row by row.
[[nodiscard]] constexpr Firing firing_of(Change change, Firing firing) noexcept {
  return change == Change::truncate ? Firing::statement : firing;
}

[[nodiscard]] std::string quoted_name(std::string_view name);
/// A literal that means the same in every session.
[[nodiscard]] std::string quoted_text(std::string_view text);

/// The text of a trigger's function, its head included. `parts`: of a table that has partitions.
[[nodiscard]] std::string report_source(const TrackedHead& head, Change change, Firing firing,
                                        bool parts);
/// The statement that makes a function of the schema querymark with such a text.
[[nodiscard]] std::string create_function(std::string_view name, std::string_view source);
/// The statement that makes the trigger on a table, by its quoted name.
[[nodiscard]] std::string create_trigger(std::string_view table, std::string_view function,
                                         Change change, Firing firing);

}  // namespace querymark::postgres
