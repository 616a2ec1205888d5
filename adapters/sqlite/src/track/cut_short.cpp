#include "track/cut_short.hpp"

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "querymark/support/ascii.hpp"
#include "sql_tokens.hpp"
#include "sqlite_sql.hpp"

namespace querymark::sqlite {
namespace {

// A trigger, or a table with its constraints.
struct Definition {
  std::string what{};  // for people
  bool is_trigger = false;
  bool may_fail = false;
  std::vector<Token> tokens{};
};

// By the tables and views that they are of, in lower case.
using Definitions = std::multimap<std::string, Definition>;

// Also yes of what is not understood.
bool may_fail(const std::optional<std::vector<Token>>& tokens) {
  if (!tokens) return true;
  for (std::size_t at = 2; at < tokens->size(); ++at) {
    const Token& before = (*tokens)[at - 1];
    if ((*tokens)[at].is_word("fail") &&
        (before.is_word("or") || before.is_word("conflict") ||
         (before.is_symbol("(") && (*tokens)[at - 2].is_word("raise"))))
      return true;
  }
  return false;
}

Definitions definitions_in(Connection& connection) {
  Definitions definitions;
  for (const ResultSet rows = connection.query(sql::definitions, {}); const Row row : rows) {
    const std::string_view type = row["type"].view();
    Definition one{.what = std::string("the ").append(type).append(" ").append(row["name"].view()),
                   .is_trigger = type == "trigger"};
    auto tokens = tokens_of(row["sql"].view());
    one.may_fail = may_fail(tokens);
    if (tokens) one.tokens = std::move(*tokens);
    definitions.emplace(ascii::to_lower(row["tbl_name"].view()), std::move(one));
  }
  return definitions;
}

class Reached {
 public:
  explicit Reached(Connection& connection)
      : connection_(connection), definitions_(definitions_in(connection)) {}

  // From what the actions of foreign keys to the table change, to all that may be written for it.
  std::string find(const std::string& table) {
    add_acted_on(table);
    while (!next_.empty()) {
      const std::string name = std::move(next_.back());
      next_.pop_back();
      const auto [first, last] = definitions_.equal_range(name);
      for (auto at = first; at != last; ++at) {
        const Definition& one = at->second;
        if (one.may_fail) return one.what;
        if (!one.is_trigger) continue;
        for (const Token& token : one.tokens)
          if (token.may_name()) add(token.text);
      }
      add_acted_on(name);
    }
    return {};
  }

 private:
  void add(std::string_view name) {
    std::string lower = ascii::to_lower(name);
    if (seen_.insert(lower).second) next_.push_back(std::move(lower));
  }
  void add_acted_on(const std::string& table) {
    const ParameterView name[] = {as_parameter(table)};
    for (const ResultSet rows = connection_.query(sql::acted_on, name); const Row row : rows)
      add(row["name"].view());
  }

  Connection& connection_;
  Definitions definitions_;
  std::set<std::string> seen_;
  std::vector<std::string> next_;
};

}  // namespace

std::string what_cuts_short(Connection& connection, const std::string& table) {
  const ResultSet some = connection.query(sql::definitions_that_fail, {});
  return some.row(0)["some"].as<bool>() ? Reached(connection).find(table) : std::string();
}

}  // namespace querymark::sqlite
