#pragma once

#include <array>
#include <span>

namespace catalogue {

/// How a table tells which of its rows a write has changed, as `querymark track` takes it.
struct Routes {
  const char* table;
  std::span<const char* const> by;  ///< Columns, each a route.
};

namespace detail {
inline constexpr std::array<const char*, 2> kOfPackage{"name", "section"};
inline constexpr std::array<const char*, 1> kOfDependency{"depends_on"};
}  // namespace detail

/// What the questions look for.
inline constexpr std::array<Routes, 2> kRoutes{
    {{"package", detail::kOfPackage}, {"dependency", detail::kOfDependency}}};

}  // namespace catalogue
