#pragma once

#include <SQLiteCpp/Database.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "querymark/key/parameter.hpp"
#include "querymark/result/result_set.hpp"

struct sqlite3;
struct sqlite3_stmt;

// Prepared statements on any SQLite connection, the library's own or a caller's. All functions
// throw Error, never SQLite::Exception.
//
// A connection keeps a copy of the schema, and looks whether it is current only when a statement
// takes its first step. So
//   - what is not valid by the copy may be valid: after an error the connection looks, and the
//     statement is prepared once more;
//   - names, types and number of columns are taken after the first step, in which SQLite may have
//     prepared the statement anew;
//   - what never takes such a step (PRAGMA, EXPLAIN) needs a look beforehand, and a preparation of
//     its own: its answer is made of the copy while it is prepared.

namespace querymark::sqlite {

class Guard;

struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const noexcept;
};

/// A prepared statement with what its preparation told. Must not outlive its connection.
struct PreparedStatement {
  std::unique_ptr<sqlite3_stmt, FinalizeStatement> statement;
  bool reads_only = false;
  /// EXPLAIN or PRAGMA: runs nothing, and tells of the schema or the connection.
  bool describes = false;
  /// The answer depends on what the connection did before. Known on connections with a guard.
  bool tells_of_connection = false;

  /// An invalidation can tell when the answer changes.
  [[nodiscard]] bool can_keep() const noexcept { return !describes && !tells_of_connection; }
};

/// The first word of `sql`, which on SQLite is what kind of statement it is.
[[nodiscard]] std::string_view first_word(std::string_view sql) noexcept;
/// Whether `sql` is an EXPLAIN or a PRAGMA.
[[nodiscard]] bool describes(std::string_view sql) noexcept;
/// Makes the connection look whether its copy of the schema is current. False when it can't.
bool look_at_schema(sqlite3* database) noexcept;

/// Prepares `sql`; throws ConfigError when it is empty, more than one statement, not valid, or
/// refused by the guard, if the connection has one.
[[nodiscard]] PreparedStatement prepare_checked(SQLite::Database& database, std::string_view sql,
                                                Guard* guard = nullptr);
/// Throws ConfigError for a statement that writes.
void require_reading(const PreparedStatement& prepared);

/// One run of a prepared statement, which it leaves reset, whatever happens: an unfinished one would
/// pin its snapshot. The statement, and what is bound, must live as long.
class Run {
 public:
  /// Binds. Throws Error, ConfigError when the number of parameters is another one.
  Run(PreparedStatement& prepared, std::span<const ParameterView> parameters);
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;
  ~Run();

  /// False when there is no further row. Throws Error.
  [[nodiscard]] bool step();
  /// A cell of the row, in place: valid until the next step.
  [[nodiscard]] ParameterView cell(int column) const;
  [[nodiscard]] sqlite3* database() const noexcept;

 private:
  void bind(std::span<const ParameterView> parameters);
  void end() noexcept;

  sqlite3_stmt* statement_;
};

/// Binds and runs a prepared statement, and takes all its rows.
[[nodiscard]] ResultSet run_query(PreparedStatement& prepared,
                                  std::span<const ParameterView> parameters);
/// Binds and runs a prepared statement; returns the number of rows changed by itself.
std::int64_t run_statement(PreparedStatement& prepared, std::span<const ParameterView> parameters);
/// Binds and runs an INSERT of one row; returns the last row's id.
std::int64_t run_insert(PreparedStatement& prepared, std::span<const ParameterView> parameters);

}  // namespace querymark::sqlite
