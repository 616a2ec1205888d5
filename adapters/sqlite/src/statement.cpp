#include "statement.hpp"

#include <sqlite3.h>

#include <limits>
#include <memory>

#include "errors.hpp"

namespace querymark::sqlite {
namespace {

struct Finalize {
  void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
};
using RawStatement = std::unique_ptr<sqlite3_stmt, Finalize>;

RawStatement prepare_raw(sqlite3* database, std::string_view sql, std::string_view& rest) {
  sqlite3_stmt* statement = nullptr;
  const char* tail = nullptr;
  const int code =
      sqlite3_prepare_v2(database, sql.data(), static_cast<int>(sql.size()), &statement, &tail);
  RawStatement owned(statement);
  if (code == SQLITE_ERROR) throw ConfigError(std::string("bad SQL: ") + sqlite3_errmsg(database));
  if (code != SQLITE_OK) fail(code, database, "prepare a statement");
  rest = sql.substr(static_cast<std::size_t>(tail - sql.data()));
  return owned;
}

ParameterView cell_of(const SQLite::Column& column) {
  switch (column.getType()) {
    case SQLITE_INTEGER:
      return ParameterView::int64(column.getInt64());
    case SQLITE_FLOAT:
      return ParameterView::float64(column.getDouble());
    case SQLITE_TEXT: {
      const char* text = column.getText();
      return ParameterView::text({text, static_cast<std::size_t>(column.getBytes())});
    }
    case SQLITE_BLOB: {
      const void* data = column.getBlob();
      return ParameterView::bytes(
          {static_cast<const char*>(data), static_cast<std::size_t>(column.getBytes())});
    }
    default:
      return {};
  }
}

}  // namespace

void bind(SQLite::Statement& statement, std::span<const ParameterView> parameters) {
  const auto expected = static_cast<std::size_t>(statement.getBindParameterCount());
  if (parameters.size() != expected)
    throw ConfigError("the SQL has " + std::to_string(expected) + " parameters, " +
                      std::to_string(parameters.size()) + " were given: " + statement.getQuery());
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const ParameterView& parameter = parameters[i];
    const int index = static_cast<int>(i) + 1;
    switch (parameter.type()) {
      case ValueType::null:
        statement.bind(index);
        break;
      case ValueType::boolean:
      case ValueType::int64:
        statement.bind(index, static_cast<std::int64_t>(parameter.as_int64()));
        break;
      case ValueType::float64:
        statement.bind(index, parameter.as_float64());
        break;
      case ValueType::text:
        statement.bind(index, std::string(parameter.as_view()));
        break;
      case ValueType::bytes:
        if (parameter.as_view().size() > std::numeric_limits<int>::max())
          throw ConfigError("SQLite can't bind 2 GiB or more of bytes");
        // A null pointer would bind NULL where empty bytes are meant.
        statement.bind(index, parameter.as_view().empty() ? "" : parameter.as_view().data(),
                       static_cast<int>(parameter.as_view().size()));
        break;
      case ValueType::array:
        throw ConfigError("SQLite has no arrays; pass JSON text and read it with json_each()");
    }
  }
}

PreparedStatement prepare_checked(SQLite::Database& database, std::string_view sql) {
  sqlite3* const raw = database.getHandle();
  std::string_view rest;
  const RawStatement probe = prepare_raw(raw, sql, rest);
  if (!probe) throw ConfigError("the SQL text holds no statement");
  while (!rest.empty()) {  // white space and comments are fine
    if (prepare_raw(raw, rest, rest))
      throw ConfigError("the SQL text holds more than one statement");
  }
  return translated("prepare a statement", [&] {
    PreparedStatement prepared{.statement = SQLite::Statement(database, std::string(sql)),
                               .reads_only = sqlite3_stmt_readonly(probe.get()) != 0,
                               .columns = {}};
    for (int i = 0; i < sqlite3_column_count(probe.get()); ++i) {
      const char* name = sqlite3_column_name(probe.get(), i);
      const char* type = sqlite3_column_decltype(probe.get(), i);
      prepared.columns.emplace_back(name != nullptr ? name : "", type != nullptr ? type : "");
    }
    return prepared;
  });
}

void require_reading(PreparedStatement& prepared) {
  if (!prepared.reads_only)
    throw ConfigError("a cached query must only read; write through write(): " +
                      prepared.statement.getQuery());
}

ResultSet run_query(PreparedStatement& prepared, std::span<const ParameterView> parameters) {
  return translated("run a query", [&] {
    const ResetAfter reset(prepared.statement);
    bind(prepared.statement, parameters);
    ResultSetBuilder builder;
    for (const auto& [name, type] : prepared.columns) builder.add_column(name, type);
    const int columns = static_cast<int>(prepared.columns.size());
    while (prepared.statement.executeStep())
      for (int i = 0; i < columns; ++i) builder.add(cell_of(prepared.statement.getColumn(i)));
    return std::move(builder).build();
  });
}

std::int64_t run_insert(SQLite::Database& database, PreparedStatement& prepared,
                        std::span<const ParameterView> parameters) {
  return translated("insert a row", [&] {
    const ResetAfter reset(prepared.statement);
    bind(prepared.statement, parameters);
    prepared.statement.executeStep();
    return static_cast<std::int64_t>(database.getLastInsertRowid());
  });
}

}  // namespace querymark::sqlite
