#pragma once  // For users.

#include <string>
#include <string_view>
#include <vector>

#include "querymark/automatic/advice.hpp"
#include "querymark/automatic/analysis.hpp"

namespace querymark::sqlite {

/// On which rows of which tables the result of a query depends, for people and tools that look at the
/// database at `where` (a path or `sqlite:PATH`) from outside; a program asks its Database. Runs nothing of
/// the query. Throws SchemaError, ConfigError for a text that is no query, Error.
[[nodiscard]] Analysis analyse(const std::string& where, std::string_view sql,
                               const Promises& promises = {});

/// Which routes would help these queries, likewise from outside: see Database::advise.
[[nodiscard]] Advice advise(const std::string& where, std::vector<SeenQuery> queries);

/// The queries of a script, of statements that end with `;`, each as often as it stands there. Writes and
/// commands are left out. Never throws for what it holds.
[[nodiscard]] std::vector<SeenQuery> queries_in(std::string_view script);

}  // namespace querymark::sqlite
