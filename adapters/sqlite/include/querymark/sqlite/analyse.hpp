#pragma once  // For users.

#include <string>
#include <string_view>

#include "querymark/automatic/analysis.hpp"

namespace querymark::sqlite {

/// On which rows of which tables the result of a query depends, for people and tools that look at the
/// database at `where` (a path or `sqlite:PATH`) from outside; a program asks its Database. Runs nothing of
/// the query. Throws SchemaError, ConfigError for a text that is no query, Error.
[[nodiscard]] Analysis analyse(const std::string& where, std::string_view sql,
                               const Promises& promises = {});

}  // namespace querymark::sqlite
