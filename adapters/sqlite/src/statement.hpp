#pragma once

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "querymark/key/parameter.hpp"
#include "querymark/result/result_set.hpp"

// Prepared statements on any SQLite connection, the library's own or a caller's. All functions
// throw Error, never SQLite::Exception, unless they say otherwise.

namespace querymark::sqlite {

/// A prepared statement with what it takes to find once per preparation.
struct PreparedStatement {
  SQLite::Statement statement;
  bool reads_only = false;
  std::vector<std::pair<std::string, std::string>> columns;  // name, declared type
};

/// Prepares `sql`; throws ConfigError when it is empty, more than one statement, or not valid.
[[nodiscard]] PreparedStatement prepare_checked(SQLite::Database& database, std::string_view sql);
/// Throws ConfigError for a statement that writes.
void require_reading(PreparedStatement& prepared);
/// Binds and runs a prepared statement, and takes all its rows.
[[nodiscard]] ResultSet run_query(PreparedStatement& prepared,
                                  std::span<const ParameterView> parameters);

/// Binds and runs an INSERT of one row; returns the last row's id.
std::int64_t run_insert(SQLite::Database& database, PreparedStatement& prepared,
                        std::span<const ParameterView> parameters);

/// Binds the parameters, in order; throws ConfigError for another number of them, and
/// SQLite::Exception.
void bind(SQLite::Statement& statement, std::span<const ParameterView> parameters);

/// Leaves the statement reset, whatever happens: an unfinished one would pin its snapshot.
class ResetAfter {
 public:
  explicit ResetAfter(SQLite::Statement& statement) : statement_(statement) {}
  ResetAfter(const ResetAfter&) = delete;
  ResetAfter& operator=(const ResetAfter&) = delete;
  ~ResetAfter() { statement_.tryReset(); }

 private:
  SQLite::Statement& statement_;
};

}  // namespace querymark::sqlite
