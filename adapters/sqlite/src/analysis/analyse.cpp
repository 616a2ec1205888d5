#include "analysis/analyse.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "analysis/footprints.hpp"
#include "analysis/function_verdict.hpp"
#include "analysis/pool_analyser.hpp"
#include "querymark/sqlite/analyse.hpp"
#include "querymark/sqlite/url.hpp"
#include "querymark/support/ascii.hpp"
#include "querymark/support/sql_text.hpp"
#include "schema.hpp"
#include "sqlite_sql.hpp"

namespace querymark::sqlite {
namespace {

// Table-valued functions whose rows are made of their arguments alone.
bool makes_rows_of_arguments(std::string_view name) {
  return ascii::equal(name, "json_each") || ascii::equal(name, "json_tree");
}

std::size_t parameters_in(std::span<const Token> tokens) {
  std::size_t count = 0;
  for (const Token& token : tokens)
    if (token.kind == Token::Kind::parameter) count = std::max(count, token.parameter + 1);
  return count;
}

// Not what qualifies a column, nor a column that is qualified. There are no other schemas than these.
bool may_name_table(std::span<const Token> tokens, std::size_t at) {
  if (!tokens[at].may_name() || (at + 1 < tokens.size() && tokens[at + 1].is_symbol(".")))
    return false;
  if (at < 2 || !tokens[at - 1].is_symbol(".")) return true;
  const std::string& qualifier = tokens[at - 2].text;
  return ascii::equal(qualifier, "main") || ascii::equal(qualifier, "temp");
}

class QueryAnalysis {
 public:
  QueryAnalysis(Connection& connection, std::string_view sql, const TextRules& rules,
                const Promises& promises)
      : connection_(connection), sql_(sql), rules_(rules), promises_(promises) {}

  /// As if each table that can be tracked was.
  QueryUse make_use() {
    supposed_ = true;
    const Analysis analysis = make();
    return {.verdict = analysis.verdict, .why = analysis.why, .tables = std::move(uses_)};
  }

  Analysis make() {
    const Connection::Described described = connection_.describe(sql_);
    analysis_.verdict = Verdict::cache;
    if (!described.can_keep)
      lower(Verdict::refuse, "it tells of the schema or of a connection, which nothing reports");
    const ResultSet temporary = connection_.query(sql::temporary_names, {});
    if (temporary.row(0)["count"].as<int>() != 0)
      lower(Verdict::refuse, "the connection has temporary tables or views");
    if (std::string why = why_nothing_is_tracked(connection_); !why.empty())
      lower(Verdict::ttl_only, why);
    const ResultSet users = connection_.query(sql::users_functions, {});
    for (const Row row : users) users_functions_.insert(row["name"].as<std::string>());
    for (const auto& [schema, name] : described.mentions.tables) judge_name(schema, name);
    for (const std::string& function : described.mentions.functions) {
      judge_function(function);
      looks_at_several_rows_ =
          looks_at_several_rows_ || any_named(sql::aggregate_named, ascii::to_lower(function));
    }
    judge_promised();
    add_occurrences(described.parameters);
    return std::move(analysis_);
  }

 private:
  // The worst verdict counts, with its first reason.
  void lower(Verdict verdict, std::string why) {
    if (verdict <= analysis_.verdict) return;
    analysis_.verdict = verdict;
    analysis_.why = std::move(why);
  }

  // What triggers report is of tables.
  void judge_promised() {
    for (const std::string& name : promises_.reads) {
      const std::string bare = name.starts_with("main.") ? name.substr(5) : name;
      TableShape shape = shape_of(connection_, bare);
      if (shape.kind != TableShape::Kind::table) {
        lower(Verdict::refuse, name + ", which .reads() names, is no table of this database");
        continue;
      }
      promised_.insert(ascii::to_lower(shape.name));
      add_table(std::move(shape));
    }
  }

  void judge_function(const std::string& name) {
    const bool users = users_functions_.contains(name);
    if (users && (!promises_.reads.empty() || promises_.calls_pure("main", name))) return;
    const Verdict verdict = users ? Verdict::ttl_only : verdict_on_function(name);
    if (verdict == Verdict::cache) return;
    const std::string_view why = users ? "is not SQLite's own" : why_of_function(name);
    lower(verdict, std::string("the function ").append(name).append(" ").append(why));
  }

  void judge_name(const std::string& schema, const std::string& name) {
    if (!schema.empty() && schema != "main") {
      lower(Verdict::refuse, "it reads " + schema + "." + name + ", which no other connection has");
      return;
    }
    TableShape shape = shape_of(connection_, name);
    using enum TableShape::Kind;
    if (makes_rows_of_arguments(name) && !is_hidden(shape)) return;
    switch (shape.kind) {
      case view:
        return;  // what it reads is told, too
      case missing:
        // A common table expression of which nothing is read but how many rows it has.
        if (schema.empty() && !names_module(name)) return;
        lower(Verdict::refuse, name + " is no table of this database");
        return;
      case internal:
        lower(Verdict::refuse, name + " belongs to SQLite, to a virtual table or to querymark");
        return;
      case virtual_table:
        lower(Verdict::ttl_only, name + " is a virtual table: nothing reports what changes in it");
        return;
      case TableShape::Kind::table:
        add_table(std::move(shape));
    }
  }

  // By a table or view of the user's, which comes before a function of that name. That a function has been used
  // makes it a virtual table, which stands in no schema.
  bool is_hidden(const TableShape& function) {
    using enum TableShape::Kind;
    if (function.kind != virtual_table) return function.kind != missing;
    const ParameterView name[] = {as_parameter(function.name)};
    return !connection_.query(sql::table_text, name).empty();
  }

  // Of table-valued functions, too, no schema is told where nothing of their rows is read.
  bool names_module(const std::string& name) { return any_named(sql::module_named, name); }
  bool is_function(const std::string& name) { return any_named(sql::function_named, name); }

  bool any_named(const SqlStatement& statement, const std::string& name) {
    const ParameterView value[] = {as_parameter(name)};
    const ResultSet rows = connection_.query(statement, value);
    return rows.row(0)["count"].as<int>() != 0;
  }

  void add_table(TableShape shape) {
    const std::string key = ascii::to_lower(shape.name);
    if (tables_.contains(key)) return;
    const Tracking tracking = tracking_of(shape);
    if (const auto refusal = refusal_of(shape))
      lower(Verdict::ttl_only, "table " + shape.name + ": " + *refusal);
    else if (!tracking.tracked() && !supposed_)
      lower(Verdict::ttl_only,
            "table " + shape.name + ": " + tracking.why + "; run querymark track");
    judge_generated(shape);
    ReadTable table{.shape = std::move(shape)};
    table.tracked = tracking.tracked();
    if (table.tracked || (supposed_ && tracking.routes)) table.routes = *tracking.routes;
    tables_.emplace(key, std::move(table));
  }

  // What a generated column is made of SQLite does not tell again with each query.
  void judge_generated(const TableShape& shape) {
    if (!std::ranges::any_of(shape.columns, &ColumnShape::generated_when_read)) return;
    const ParameterView name[] = {as_parameter(shape.name)};
    const ResultSet text = connection_.query(sql::table_text, name);
    const auto tokens = tokens_of(text.row(0)["sql"].view());
    if (!tokens)
      return lower(Verdict::ttl_only, "generated columns of " + shape.name + " are not understood");
    for (std::size_t at = 0; at + 1 < tokens->size(); ++at) {
      const Token& token = (*tokens)[at];
      const std::string function = ascii::to_lower(token.text);
      if (token.may_name() && (*tokens)[at + 1].is_symbol("(") && is_function(function))
        judge_function(function);
      if (token.is_word("current_date") || token.is_word("current_time") ||
          token.is_word("current_timestamp"))
        judge_function(function);
    }
  }

  // The names that stand in the query, and in the views that they lead to.
  std::set<std::string> names_through_views(std::span<const Token> tokens) {
    std::map<std::string, std::vector<Token>> views;
    const ResultSet rows = connection_.query(sql::views, {});
    for (const Row row : rows)
      views.emplace(ascii::to_lower(row["name"].view()),
                    tokens_of(row["sql"].view()).value_or(std::vector<Token>()));
    std::set<std::string> through;
    std::vector<std::string> led_to;
    const auto follow = [&](std::span<const Token> text) {
      for (const Token& token : text)
        if (token.may_name() && views.contains(ascii::to_lower(token.text)))
          led_to.push_back(ascii::to_lower(token.text));
    };
    follow(tokens);
    while (!led_to.empty()) {
      const auto view = views.extract(led_to.back());
      led_to.pop_back();
      if (view.empty()) continue;
      for (const Token& token : view.mapped())
        if (token.may_name()) through.insert(ascii::to_lower(token.text));
      follow(view.mapped());
    }
    return through;
  }

  void add_occurrences(std::size_t parameters) {
    std::set<std::string> told_apart;
    const auto tokens = tokens_of(sql_);
    const auto text =
        tokens && parameters_in(*tokens) == parameters ? select_in(*tokens, rules_) : std::nullopt;
    if (text) told_apart = add_rows(*tokens, *text);
    for (const auto& [key, table] : tables_)
      if (!told_apart.contains(key) || promised_.contains(key)) {
        analysis_.occurrences.push_back({.relation = relation_of(table.shape)});
        if (wished_.contains(key)) continue;
        add_use(table, {}, false);
        std::string& why = uses_.back().why;
        if (why.empty() && !text)
          why =
              "a text of several SELECTs, or with OR or BETWEEN between its conditions, tells no "
              "rows apart";
        else if (why.empty() && !everywhere_.contains(key))
          why =
              "it is read through a view or a subquery, or its name stands in the text twice: so "
              "no "
              "rows are told apart";
      }
    using Keys = SelectText::Keys;
    if (text)
      analysis_.keys_apart =
          text->keys == Keys::by_groups || (text->keys == Keys::by_rows && !looks_at_several_rows_);
  }

  // Occurrences of the tables whose every appearance in the text is an item of its FROM.
  std::set<std::string> add_rows(std::span<const Token> tokens, const SelectText& text) {
    const std::set<std::string> through_views = names_through_views(tokens);
    std::map<std::string, std::size_t> named;
    for (std::size_t at = 0; at < tokens.size(); ++at)
      if (may_name_table(tokens, at)) ++named[ascii::to_lower(tokens[at].text)];
    const auto find = [this](std::string_view name) -> const ReadTable* {
      const auto found = tables_.find(ascii::to_lower(name));
      return found != tables_.end() ? &found->second : nullptr;
    };
    std::map<std::string, std::vector<Footprint>> found;
    for (Footprint& footprint : footprints_of(text, find, rules_))
      found[ascii::to_lower(footprint.table->shape.name)].push_back(std::move(footprint));
    std::set<std::string> told_apart;
    for (auto& [key, footprints] : found) {
      const bool everywhere = named[key] == footprints.size() && !through_views.contains(key);
      const bool all_known = std::ranges::all_of(
          footprints, [](const Footprint& one) { return one.occurrence.has_value(); });
      // One of which nothing is known, and any row counts whatever is known of the others.
      if (everywhere) everywhere_.insert(key);
      if (everywhere && !promised_.contains(key) &&
          std::ranges::none_of(footprints, [](const Footprint& one) { return one.tied.empty(); })) {
        wished_.insert(key);
        for (const Footprint& one : footprints)
          add_use(*one.table, one.tied, one.table->tracked && one.occurrence.has_value());
      }
      if ((!everywhere && rules_.named_once) || !all_known) continue;
      for (Footprint& footprint : footprints)
        analysis_.occurrences.push_back(std::move(*footprint.occurrence));
      told_apart.insert(key);
    }
    return told_apart;
  }

  void add_use(const ReadTable& table, const std::vector<const ColumnShape*>& tied, bool by_route) {
    const TableShape& shape = table.shape;
    TableUse use{.table = shape.name,
                 .relation = relation_of(shape),
                 .tracked = table.tracked,
                 .routes = table.routes,
                 .by_route = by_route};
    for (const ColumnShape* column : tied)
      if (column->type && !refusal_of(shape, {column->name}))
        use.tied.push_back({column->name, *column->type});
    use.keys.push_back(shape.primary_key);
    for (const UniqueKey& key : shape.keys) {
      std::vector<std::string>& columns = use.keys.emplace_back();
      for (const KeyColumn& part : key) columns.push_back(part.column);
    }
    if (!shape.unroutable.empty()) use.why = shape.unroutable;
    uses_.push_back(std::move(use));
  }

  Connection& connection_;
  std::string_view sql_;
  const TextRules& rules_;
  const Promises& promises_;
  bool supposed_ = false;
  std::vector<TableUse> uses_;
  std::set<std::string> everywhere_;  // tables that are items of FROM, and nothing else
  std::set<std::string> wished_;      // tables that routes could tell apart everywhere
  std::set<std::string> promised_;    // tables that functions read, in lower case
  bool looks_at_several_rows_ = false;
  std::set<std::string> users_functions_;
  std::map<std::string, ReadTable> tables_;  // by their names in lower case
  Analysis analysis_;
};

}  // namespace

SchemaAnalysis analyse(Connection& connection, std::string_view sql, const TextRules& rules,
                       const Promises& promises) {
  require_no_nul(sql);
  const ScopedTransaction transaction(connection, ScopedTransaction::Kind::read);
  look_at_schema(connection.native().getHandle());  // from here on it is the schema of the snapshot
  SchemaAnalysis made;
  made.schema_version = std::stoll(connection.pragma("pragma schema_version"));
  made.analysis = QueryAnalysis(connection, sql, rules, promises).make();
  return made;
}

QueryUse use_of(Connection& connection, std::string_view sql, const Promises& promises) {
  require_no_nul(sql);
  const ScopedTransaction transaction(connection, ScopedTransaction::Kind::read);
  look_at_schema(connection.native().getHandle());
  const TextRules rules;
  return QueryAnalysis(connection, sql, rules, promises).make_use();
}

Advice PoolAnalyser::advise(std::vector<SeenQuery> queries) {
  const auto connection = pool_.acquire();
  return querymark::advise(std::move(queries), [&](const SeenQuery& query) {
    return use_of(*connection, query.sql, query.promises);
  });
}

Advice advise(const std::string& where, std::vector<SeenQuery> queries) {
  const std::string path = path_of(where);
  Connection connection(path, Connection::Use::read, {.busy_timeout = std::chrono::seconds(10)});
  require_schema(connection, path);
  return querymark::advise(std::move(queries), [&](const SeenQuery& query) {
    return use_of(connection, query.sql, query.promises);
  });
}

Analysis analyse(const std::string& where, std::string_view sql, const Promises& promises) {
  const std::string path = path_of(where);
  Connection connection(path, Connection::Use::read, {.busy_timeout = std::chrono::seconds(10)});
  require_schema(connection, path);
  return analyse(connection, sql, {}, promises).analysis;
}

}  // namespace querymark::sqlite
