#pragma once

#include <cstdint>

namespace querymark::test::soak {

/// The rows of a soak: `kIds` in each of two tables, each row with a group and a value `v` that only grows.
/// Writes to `item` declare their tags, writes to `auto_item` are told of by triggers.
enum class Table : std::uint8_t { item, auto_item };
inline constexpr std::int64_t kTables = 2;
inline constexpr std::int64_t kIds = 64;
inline constexpr std::int64_t kGroups = 8;

[[nodiscard]] constexpr std::int64_t group_of(std::int64_t id) noexcept { return id % kGroups; }
[[nodiscard]] constexpr const char* name_of(Table table) noexcept {
  return table == Table::item ? "item" : "auto_item";
}

/// Namespace of all processes.
inline constexpr const char* kNamespace = "soak";

}  // namespace querymark::test::soak
