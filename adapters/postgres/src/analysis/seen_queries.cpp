#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

#include "connection.hpp"
#include "postgres_sql.hpp"
#include "querymark/postgres/advise.hpp"
#include "querymark/postgres/types.hpp"
#include "querymark/support/error.hpp"
#include "sql_tokens.hpp"
#include "track/trigger_text.hpp"

namespace querymark::postgres {
namespace {

std::string first_word(std::string_view sql) {
  const auto token = SqlTokens(sql, Backslash::plain).next();
  return token && token->kind == SqlToken::Kind::word ? token->name : std::string();
}

// The library's own, and what clients and tools ask the server about itself.
bool is_of_server(std::string_view sql) {
  SqlTokens tokens(sql, Backslash::plain);
  while (const auto token = tokens.next())
    if (token->is_identifier() && (token->name.starts_with("pg_") || token->name == "querymark" ||
                                   token->name == "set_config"))
      return true;
  return false;
}

}  // namespace

std::vector<SeenQuery> queries_in(std::string_view script) {
  SeenInScript seen;
  SqlTokens tokens(script, Backslash::plain);
  std::optional<SqlToken> first;
  std::size_t end = 0;
  const auto finish = [&] {
    if (!first) return;
    const bool is_word = first->kind == SqlToken::Kind::word;
    seen.add(script.substr(first->begin, end - first->begin), is_word ? first->name : "");
    first.reset();
  };
  while (auto token = tokens.next()) {
    if (token->is(';')) {
      finish();
      continue;
    }
    end = token->end;
    if (!first) first = std::move(token);
  }
  finish();
  return std::move(seen).take();
}

Statements statements_seen(const std::string& url, std::size_t most) {
  Connection connection(url, {.connect_timeout = std::chrono::seconds(10)});
  connection.run("begin read only; set local search_path = pg_catalog, pg_temp");
  const ResultSet where = connection.query(sql::statements_schema.text);
  if (where.empty())
    throw ConfigError(
        "the extension pg_stat_statements is not installed in this database: create it, or give "
        "the queries");
  const ResultSet rows = connection.run(
      "select s.query, sum(s.calls)::int8 as calls from " +
      quoted_name(where.row(0)["schema"].as<std::string>()) +
      ".pg_stat_statements(true) s where s.toplevel and s.query is not null and s.dbid = "
      "(select d.oid from pg_database d where d.datname = current_database()) "
      "group by s.query order by 2 desc, 1");
  Statements found;
  SeenInScript seen;
  for (const Row row : rows) {
    const auto sql = row["query"].as<std::string>();
    const auto calls = static_cast<std::uint64_t>(row["calls"].as<std::int64_t>());
    if (sql == "<insufficient privilege>")
      found.hidden = calls;
    else if (!is_of_server(sql))
      seen.add(sql, first_word(sql), calls);
  }
  found.queries = std::move(seen).take();
  found.queries.resize(std::min(found.queries.size(), most));
  return found;
}

}  // namespace querymark::postgres
