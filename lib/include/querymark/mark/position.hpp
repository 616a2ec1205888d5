#pragma once  // For writers of ports.

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace querymark {

/// Where a committed write stands in the log's order: Postgres its `xid8`, SQLite a sequence
/// number. Counts only within its epoch. Zero is before every write.
struct Position {
  std::uint64_t value = 0;
  friend auto operator<=>(const Position&, const Position&) = default;
};

/// A random number that one write transaction stores in all its log rows. Zero means none.
struct WriteId {
  std::uint64_t value = 0;
  friend auto operator<=>(const WriteId&, const WriteId&) = default;
};

/// Identity of a database's history. Positions, stamps, cursors and receipts of another epoch mean
/// nothing.
struct Epoch {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  /// A new, random epoch.
  [[nodiscard]] static Epoch random();
  /// Reads 32 hexadecimal digits; nothing else.
  [[nodiscard]] static std::optional<Epoch> parse(std::string_view hex);
  [[nodiscard]] std::string hex() const;
  friend auto operator<=>(const Epoch&, const Epoch&) = default;
};

}  // namespace querymark
