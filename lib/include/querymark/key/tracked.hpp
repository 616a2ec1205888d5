#pragma once  // For writers of ports.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "querymark/key/target.hpp"

// The names under which triggers report what a write has changed, and under which a query says what its
// result depends on. A relation is a table with all its partitions and children, named by its root,
// `public:product`; a route is one column or several whose values are reported, `id`, `tenant+id`.
//
//   intent in the log                          what it invalidates
//   rows      public:product:id:7,8            any(product), row(product, id, 7), row(product, id, 8)
//   rows      public:product                   any(product)
//   relation  public:product                   any(product), all(product)
//   schema                                     schema
//
// A result that depends on rows that a route finds carries row(...) of each, and all(...); one that may
// depend on any row carries any(...). Each of them carries schema. So a write of one row reaches who
// looks at that row, or at any, and a write that names no rows reaches everybody.

namespace querymark {

/// The namespace of what triggers report: consumers of each namespace read it, too.
inline constexpr std::string_view kTrackedNamespace = "*";
/// Longest text of an intent that names rows, in bytes.
inline constexpr std::size_t kMaxRowsText = 16'384;
/// Longest value of a routed column that is reported, in bytes as it is written into an intent.
inline constexpr std::size_t kMaxRouteValue = 128;

/// Writes a part of a name, or a value, so that it holds none of `:`, `,`, `+`: these and `%` are escaped.
[[nodiscard]] std::string escape_tracked(std::string_view part);
/// `public:product`.
[[nodiscard]] std::string relation_name(std::string_view schema, std::string_view table);
/// `tenant+id`, from the columns in their order.
[[nodiscard]] std::string route_name(std::span<const std::string> columns);

// `relation` and `route` are names as made above, `values` are not escaped yet. Each throws ConfigError
// for a name longer than a target may be.

/// What depends on any row of a relation.
[[nodiscard]] Target any_row_of(std::string_view relation);
/// What each result that depends on some row of a relation carries.
[[nodiscard]] Target all_rows_of(std::string_view relation);
/// What depends on the rows that have these values in the route's columns.
[[nodiscard]] Target row_of(std::string_view relation, std::string_view route,
                            std::span<const std::string> values);
/// What depends on definitions: of tables, views, functions, policies.
[[nodiscard]] Target schema_of_all();

/// Whether a target's text begins as those above do.
[[nodiscard]] bool is_tracked_text(std::string_view text) noexcept;

/// For people, of such a text: `row public:product:id:7`, `any row of public:product`, `definitions`.
[[nodiscard]] std::string describe_tracked(std::string_view text);

/// What a row of the log invalidates: one target, or those of an intent that triggers have made. Nothing when
/// the row is malformed.
[[nodiscard]] std::optional<std::vector<Target>> targets_in_log(std::string_view kind,
                                                                std::string_view text);

}  // namespace querymark
