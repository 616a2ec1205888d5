#pragma once

#include <string_view>

namespace querymark::postgres {

/// True for the name, in lower case, of a function that comes with PostgreSQL and has an effect
/// beyond its transaction's reads, or tells of its session's earlier calls: sequences, large
/// objects, advisory locks, notifications, settings, signals, WAL and replication, files, dblink.
/// Read-only transactions refuse only some of them.
[[nodiscard]] bool has_effects(std::string_view function) noexcept;

}  // namespace querymark::postgres
