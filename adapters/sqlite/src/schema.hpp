#pragma once

#include <string>

#include "connection.hpp"

namespace querymark::sqlite {

/// Throws SchemaError unless the schema has this library's version.
void require_schema(Connection& connection, const std::string& path);

}  // namespace querymark::sqlite
