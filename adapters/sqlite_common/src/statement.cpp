#include "statement.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "errors.hpp"
#include "guard.hpp"
#include "json_list.hpp"
#include "querymark/key/time_values.hpp"
#include "querymark/support/ascii.hpp"
#include "querymark/support/counted.hpp"
#include "querymark/support/sql_text.hpp"
#include "sqlite_common_sql.hpp"

namespace querymark::sqlite {
namespace {

using RawStatement = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

[[noreturn]] void fail_preparing(sqlite3* database, int code, std::string_view sql,
                                 const Guard* guard) {
  const std::string message = sqlite3_errmsg(database);
  const int extended = extended_code(database, code);
  switch (code & 0xFF) {
    case SQLITE_ERROR:
      throw ConfigError("bad SQL: " + message + ", in " + quoted_sql(sql), traits_of(extended));
    case SQLITE_AUTH: {
      const std::string_view why = guard != nullptr ? guard->refusal() : "";
      throw ConfigError((why.empty() ? message : std::string(why)) + "; refused: " + shown_sql(sql),
                        traits_of(extended));
    }
    case SQLITE_TOOBIG:
      throw ConfigError("the SQL text is longer than SQLite takes: " + quoted_sql(sql),
                        traits_of(extended));
    default:
      fail_statement(code, database, "prepare " + quoted_sql(sql));
  }
}

// Prepares the first statement of `sql`; `rest` is what follows it. Null for blanks and comments.
RawStatement prepare_first(sqlite3* database, std::string_view sql, std::string_view& rest,
                           const Guard* guard) {
  for (bool looked = false;; looked = true) {
    sqlite3_stmt* statement = nullptr;
    const char* tail = nullptr;
    const int code =
        sqlite3_prepare_v2(database, sql.data(), static_cast<int>(sql.size()), &statement, &tail);
    RawStatement owned(statement);
    if (code == SQLITE_OK) {
      rest = sql.substr(static_cast<std::size_t>(tail - sql.data()));
      return owned;
    }
    if (looked || (code & 0xFF) != SQLITE_ERROR) fail_preparing(database, code, sql, guard);
    // What goes wrong in the look goes wrong again in the preparation, and is reported there.
    look_at_schema(database);
  }
}

// `text` does not outlive the call: SQLite copies it.
int bind_copy(sqlite3_stmt* statement, int index, const std::string& text) {
  return sqlite3_bind_text64(statement, index, text.data(), text.size(), SQLITE_TRANSIENT,
                             SQLITE_UTF8);
}

int bind_one(sqlite3_stmt* statement, int index, const ParameterView& parameter) {
  switch (parameter.type()) {
    case ValueType::null:
      return sqlite3_bind_null(statement, index);
    case ValueType::boolean:
    case ValueType::int64:
      return sqlite3_bind_int64(statement, index, parameter.as_int64());
    case ValueType::float64:
      return sqlite3_bind_double(statement, index, parameter.as_float64());
    case ValueType::text:
    case ValueType::bytes: {
      const std::string_view view = parameter.as_view();
      // A null pointer would bind NULL where an empty value is meant. What is bound lives as long
      // as the run, at whose end it is unbound: no copies.
      const char* data = view.empty() ? "" : view.data();
      return parameter.type() == ValueType::text
                 ? sqlite3_bind_text64(statement, index, data, view.size(), SQLITE_STATIC,
                                       SQLITE_UTF8)
                 : sqlite3_bind_blob64(statement, index, data, view.size(), SQLITE_STATIC);
    }
    case ValueType::timestamp: {
      const std::chrono::microseconds since_1970(parameter.as_int64());
      return bind_copy(statement, index, detail::time_text(detail::Microseconds(since_1970)));
    }
    case ValueType::list:
      return bind_copy(statement, index, json_of(parameter));
    case ValueType::array:
      throw ConfigError("an array as PostgreSQL spells it; pass a std::vector");
  }
  return SQLITE_MISUSE;
}

std::string_view sql_of(sqlite3_stmt* statement) noexcept {
  const char* sql = sqlite3_sql(statement);
  return sql != nullptr ? sql : "";
}

}  // namespace

void FinalizeStatement::operator()(sqlite3_stmt* statement) const noexcept {
  sqlite3_finalize(statement);
}

std::string_view first_word(std::string_view sql) noexcept {
  std::size_t at = 0;
  while (at < sql.size()) {
    const std::string_view rest = sql.substr(at);
    if (ascii::is_blank(sql[at]) || sql[at] == ';')
      ++at;
    else if (rest.starts_with("\xEF\xBB\xBF"))  // a byte order mark, which SQLite skips too
      at += 3;
    else if (rest.starts_with("--"))
      at = std::min(sql.find('\n', at), sql.size());
    else if (rest.starts_with("/*"))
      at = std::min(sql.find("*/", at + 2), sql.size() - 2) + 2;
    else
      break;
  }
  std::size_t end = at;
  while (end < sql.size() && (ascii::is_letter(sql[end]) || sql[end] == '_')) ++end;
  return sql.substr(at, end - at);
}

bool describes(std::string_view sql) noexcept {
  const std::string_view word = first_word(sql);
  return ascii::equal(word, "explain") || ascii::equal(word, "pragma");
}

bool look_at_schema(sqlite3* database) noexcept {
  sqlite3_stmt* statement = nullptr;
  sqlite3_prepare_v2(database, common_sql::look_at_schema.text, -1, &statement, nullptr);
  const RawStatement owned(statement);
  return statement != nullptr && sqlite3_step(statement) == SQLITE_DONE;
}

PreparedStatement prepare_checked(SQLite::Database& database, std::string_view sql, Guard* guard) {
  if (sql.size() > std::numeric_limits<int>::max())
    throw ConfigError("the SQL text is longer than SQLite takes");
  sqlite3* const raw = database.getHandle();
  PreparedStatement prepared;
  prepared.describes = describes(sql);
  if (prepared.describes) look_at_schema(raw);
  if (guard != nullptr) guard->begin();
  std::string_view rest;
  prepared.statement = prepare_first(raw, sql, rest, guard);
  if (!prepared.statement) throw ConfigError("the SQL text holds no statement");
  prepared.tells_of_connection = guard != nullptr && guard->tells_of_connection();
  while (!rest.empty()) {  // white space and comments are fine
    if (prepare_first(raw, rest, rest, guard))
      throw ConfigError("the SQL text holds more than one statement: " + shown_sql(sql));
  }
  prepared.reads_only = sqlite3_stmt_readonly(prepared.statement.get()) != 0;
  return prepared;
}

void require_reading(const PreparedStatement& prepared) {
  if (!prepared.reads_only && !prepared.describes)
    throw ConfigError("a cached query must only read; write through write(): " +
                      shown_sql(sql_of(prepared.statement.get())));
}

Run::Run(PreparedStatement& prepared, std::span<const ParameterView> parameters)
    : statement_(prepared.statement.get()) {
  try {
    bind(parameters);
  } catch (...) {  // what is bound by now is unbound; the error goes on
    end();
    throw;
  }
}

Run::~Run() { end(); }

bool Run::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE)
    fail_statement(code, database(), "run " + quoted_sql(sql_of(statement_)));
  return false;
}

ParameterView Run::cell(int column) const {
  switch (sqlite3_column_type(statement_, column)) {
    case SQLITE_INTEGER:
      return ParameterView::int64(sqlite3_column_int64(statement_, column));
    case SQLITE_FLOAT:
      return ParameterView::float64(sqlite3_column_double(statement_, column));
    case SQLITE_TEXT: {
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
      return ParameterView::text(
          {text, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))});
    }
    case SQLITE_BLOB: {
      const void* data = sqlite3_column_blob(statement_, column);
      return ParameterView::bytes(
          {static_cast<const char*>(data),
           static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))});
    }
    default:
      return {};
  }
}

sqlite3* Run::database() const noexcept { return sqlite3_db_handle(statement_); }

void Run::bind(std::span<const ParameterView> parameters) {
  const auto expected = static_cast<std::size_t>(sqlite3_bind_parameter_count(statement_));
  if (parameters.size() != expected)
    throw ConfigError("the SQL has " + counted(expected, "parameter") + ", " +
                      std::to_string(parameters.size()) +
                      (parameters.size() == 1 ? " was given: " : " were given: ") +
                      shown_sql(sql_of(statement_)));
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const int code = bind_one(statement_, static_cast<int>(i) + 1, parameters[i]);
    if (code == SQLITE_OK) continue;
    if ((code & 0xFF) == SQLITE_TOOBIG)
      throw ConfigError("parameter " + std::to_string(i + 1) +
                            " is larger than SQLite takes: " + shown_sql(sql_of(statement_)),
                        traits_of(code));
    fail_statement(code, database(), "bind to " + quoted_sql(sql_of(statement_)));
  }
}

void Run::end() noexcept {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

ResultSet run_query(PreparedStatement& prepared, std::span<const ParameterView> parameters) {
  sqlite3_stmt* const statement = prepared.statement.get();
  Run run(prepared, parameters);
  bool row = run.step();
  ResultSetBuilder builder;
  const int columns = sqlite3_column_count(statement);
  for (int i = 0; i < columns; ++i) {
    const char* name = sqlite3_column_name(statement, i);
    const char* type = sqlite3_column_decltype(statement, i);
    builder.add_column(name != nullptr ? name : "", type != nullptr ? type : "");
  }
  for (; row; row = run.step())
    for (int i = 0; i < columns; ++i) builder.add(run.cell(i));
  return std::move(builder).build();
}

std::int64_t run_statement(PreparedStatement& prepared, std::span<const ParameterView> parameters) {
  Run run(prepared, parameters);
  const std::int64_t before = sqlite3_total_changes64(run.database());
  while (run.step()) {
  }
  // sqlite3_changes() would repeat the last count for statements that change nothing.
  if (sqlite3_total_changes64(run.database()) == before) return 0;
  return sqlite3_changes64(run.database());
}

std::int64_t run_insert(PreparedStatement& prepared, std::span<const ParameterView> parameters) {
  Run run(prepared, parameters);
  static_cast<void>(run.step());
  return sqlite3_last_insert_rowid(run.database());
}

}  // namespace querymark::sqlite
