#pragma once

#include <string>

#include "connection.hpp"

namespace querymark::sqlite {

/// The adapter's named statements.
[[nodiscard]] const SqlCatalog& statements();
/// Throws SchemaError unless the schema has this library's version.
void require_schema(Connection& connection, const std::string& path);
/// Throws the SchemaError for a version that is not this library's.
[[noreturn]] void fail_schema(const std::string& path, int found);

}  // namespace querymark::sqlite
