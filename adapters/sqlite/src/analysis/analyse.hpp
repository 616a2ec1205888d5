#pragma once

#include <cstdint>
#include <string_view>

#include "analysis/select_text.hpp"
#include "connection.hpp"
#include "querymark/automatic/advice.hpp"
#include "querymark/automatic/analysis.hpp"

namespace querymark::sqlite {

/// An analysis, and the schema that it was made of.
struct SchemaAnalysis {
  Analysis analysis{};
  /// `PRAGMA schema_version`: with another one, it says nothing.
  std::int64_t schema_version = 0;
};

/// Judges a query in a read transaction of its own, running nothing of it. Which tables, views and
/// functions it is made of SQLite itself says; which rows of a table count, its text. Throws Error where
/// `Connection::load` would before it runs anything.
[[nodiscard]] SchemaAnalysis analyse(Connection& connection, std::string_view sql,
                                     const TextRules& rules = {}, const Promises& promises = {});

/// What the query would be if all its tables were tracked. Throws as `analyse`.
[[nodiscard]] QueryUse use_of(Connection& connection, std::string_view sql,
                              const Promises& promises);

}  // namespace querymark::sqlite
