#include "querymark/automatic/advice.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <optional>
#include <tuple>
#include <utility>

#include "querymark/key/tracked.hpp"
#include "querymark/support/error.hpp"
#include "querymark/support/shell_word.hpp"
#include "querymark/support/sql_text.hpp"

namespace querymark {
namespace {

using Columns = std::vector<std::string>;
constexpr std::size_t kMostColumns = 3;

constexpr const char* kNothingTied =
    "no column that could be reported must equal a parameter or a constant there";

// How many rows may have the same value, as far as a type tells.
int spread(RouteType type) {
  switch (type) {
    case RouteType::uuid:
      return 0;
    case RouteType::integer:
      return 1;
    case RouteType::text:
      return 2;
    case RouteType::boolean:
      break;
  }
  return 3;
}

bool has(const TableUse& use, const std::string& column) {
  return std::ranges::find(use.tied, column, &TiedColumn::name) != use.tied.end();
}

bool covers(const Columns& route, const TableUse& use) {
  return std::ranges::all_of(route, [&](const std::string& column) { return has(use, column); });
}

// A key finds one row, and more columns would not find fewer; else all columns that say something.
Columns best_route(const TableUse& use) {
  const Columns* key = nullptr;
  for (const Columns& one : use.keys)
    if (!one.empty() && one.size() <= kMostColumns && covers(one, use) &&
        (key == nullptr || one.size() < key->size()))
      key = &one;
  if (key != nullptr) return *key;
  std::vector<std::size_t> places(use.tied.size());
  std::iota(places.begin(), places.end(), std::size_t{0});
  std::ranges::sort(places, {},
                    [&](std::size_t at) { return std::pair(spread(use.tied[at].type), at); });
  places.resize(std::min(places.size(), kMostColumns));
  std::ranges::sort(places);
  Columns route;
  for (const std::size_t at : places) route.push_back(use.tied[at].name);
  return route;
}

void add_once(std::vector<std::size_t>& places, std::size_t query) {
  if (places.empty() || places.back() != query) places.push_back(query);
}

// A reason without the text that it is of, which stands beside it.
std::string without_sql(std::string why, const std::string& sql) {
  const std::string shown = shown_sql(sql);
  if (shown.empty()) return why;
  const std::string in_quotes = quoted_sql(sql);
  const auto put = [&why](const std::string& what, std::string_view instead) {
    if (const std::size_t at = why.find(what); at != std::string::npos)
      why.replace(at, what.size(), instead);
  };
  put(", in " + in_quotes, "");
  put(in_quotes, "it");
  if (why.ends_with(": " + shown)) why.resize(why.size() - shown.size() - 2);
  return why;
}

// One appearance that a route could tell apart.
struct Wish {
  std::size_t query = 0;
  TableUse use{};
  Columns route{};
};

class Adviser {
 public:
  explicit Adviser(std::vector<SeenQuery> queries) { advice_.queries = std::move(queries); }

  Advice make(const std::vector<FoundOut>& found) {
    for (std::size_t query = 0; query < advice_.queries.size(); ++query) take(query, found[query]);
    for (auto& [relation, wishes] : wishes_) choose(tables_.at(relation), wishes);
    for (auto& [relation, table] : tables_)
      if (!table.routes.empty() || !table.kept_at_all.empty())
        advice_.tables.push_back(std::move(table));
    std::ranges::sort(advice_.tables, [this](const TableAdvice& one, const TableAdvice& other) {
      return std::forward_as_tuple(calls_of(other), one.relation) <
             std::forward_as_tuple(calls_of(one), other.relation);
    });
    std::ranges::sort(advice_.left, [](const LeftQuery& one, const LeftQuery& other) {
      return std::tie(one.query, one.relation) < std::tie(other.query, other.relation);
    });
    return std::move(advice_);
  }

 private:
  void take(std::size_t query, const FoundOut& found) {
    if (const auto* unreadable = std::get_if<std::string>(&found))
      return leave(query, {}, *unreadable);
    const auto& use = std::get<QueryUse>(found);
    if (use.verdict != Verdict::cache) return leave(query, {}, use.why);
    bool good = true;
    for (const TableUse& table : use.tables) good = take_table(query, table) && good;
    if (good) ++advice_.good;
  }

  bool take_table(std::size_t query, const TableUse& use) {
    if (use.by_route) return true;
    TableAdvice& table = tables_[use.relation];
    if (table.relation.empty()) {
      table.table = use.table;
      table.relation = use.relation;
      table.tracked = use.tracked;
      table.kept = use.routes;
    }
    if (!use.tied.empty()) {
      // One that reported by it before may do so again.
      const auto kept = std::ranges::find_if(
          use.routes, [&](const Columns& route) { return covers(route, use); });
      wishes_[use.relation].push_back(
          {query, use, kept != use.routes.end() ? *kept : best_route(use)});
      return false;
    }
    if (!use.tracked) add_once(table.kept_at_all, query);
    leave(query, use.relation, use.why.empty() ? kNothingTied : use.why);
    return false;
  }

  void leave(std::size_t query, std::string relation, std::string why) {
    const bool known = std::ranges::any_of(advice_.left, [&](const LeftQuery& one) {
      return one.query == query && one.relation == relation;
    });
    if (known) return;
    why = without_sql(std::move(why), advice_.queries[query].sql);
    advice_.left.push_back({query, std::move(relation), std::move(why)});
  }

  [[nodiscard]] std::uint64_t calls_of(const std::vector<std::size_t>& queries) const {
    std::uint64_t calls = 0;
    for (const std::size_t query : queries) calls += advice_.queries[query].calls;
    return calls;
  }
  [[nodiscard]] std::uint64_t calls_of(const TableAdvice& table) const {
    std::uint64_t calls = calls_of(table.kept_at_all);
    for (const RouteAdvice& route : table.routes) calls += calls_of(route.gains);
    return calls;
  }

  // The routes that most is asked of. What else is wanted makes do with one of them, if one tells its rows apart.
  void choose(TableAdvice& table, const std::vector<Wish>& wishes) {
    std::vector<RouteAdvice> wanted;
    for (const Wish& wish : wishes) {
      auto found = std::ranges::find(wanted, wish.route, &RouteAdvice::columns);
      if (found == wanted.end()) found = wanted.insert(wanted.end(), {wish.route, {}});
      add_once(found->gains, wish.query);
    }
    std::ranges::sort(wanted, [this](const RouteAdvice& one, const RouteAdvice& other) {
      return std::forward_as_tuple(calls_of(other.gains), one.columns) <
             std::forward_as_tuple(calls_of(one.gains), other.columns);
    });
    std::size_t room = kMostAdvisedRoutes - std::min(kMostAdvisedRoutes, table.kept.size());
    std::erase_if(wanted, [&](const RouteAdvice& route) {
      if (std::ranges::find(table.kept, route.columns) != table.kept.end()) return false;
      if (room == 0) return true;
      --room;
      return false;
    });
    for (RouteAdvice& route : wanted) route.gains.clear();
    for (const Wish& wish : wishes) {
      auto found = std::ranges::find(wanted, wish.route, &RouteAdvice::columns);
      if (found == wanted.end())
        found = std::ranges::find_if(
            wanted, [&](const RouteAdvice& route) { return covers(route.columns, wish.use); });
      if (found != wanted.end()) {
        add_once(found->gains, wish.query);
        continue;
      }
      if (!wish.use.tracked) add_once(table.kept_at_all, wish.query);
      leave(wish.query, wish.use.relation,
            "it would take one more route, " + route_name(wish.route) +
                ", and a table should have " + std::to_string(kMostAdvisedRoutes) +
                " at most: each costs every write");
    }
    std::ranges::sort(table.kept_at_all);
    table.routes = std::move(wanted);
  }

  Advice advice_;
  std::map<std::string, TableAdvice> tables_;  // by their relations
  std::map<std::string, std::vector<Wish>> wishes_;
};

std::string joined(const Columns& columns) {
  std::string text;
  for (const std::string& column : columns) text.append(text.empty() ? "" : ",").append(column);
  return text;
}

bool can_be_said(const Columns& columns) {
  return std::ranges::none_of(columns, [](const std::string& column) {
    return column.empty() || column.find(',') != std::string::npos;
  });
}

std::string shown(const SeenQuery& query) {
  std::string text = shown_sql(query.sql);
  if (query.calls != 1) text.append("  (").append(std::to_string(query.calls)).append(" calls)");
  return text;
}

}  // namespace

std::string TableAdvice::command() const {
  std::string text = "querymark track";
  const auto by = [&text](const Columns& columns) {
    if (!can_be_said(columns)) return false;
    const std::string all = joined(columns);
    // What begins with a hyphen would be an option of its own.
    text.append(all.starts_with('-') ? " --by=" : " --by ").append(shell_word(all));
    return true;
  };
  // Without any, the table stays as it is, or begins with its primary key.
  if (!routes.empty())
    for (const Columns& columns : kept)
      if (std::ranges::find(routes, columns, &RouteAdvice::columns) == routes.end() && !by(columns))
        return {};
  for (const RouteAdvice& route : routes)
    if (!by(route.columns)) return {};
  return text.append(table.starts_with('-') ? " -- " : " ").append(shell_word(table));
}

std::string Advice::str() const {
  std::string text;
  const auto list = [&](const std::vector<std::size_t>& places) {
    for (const std::size_t at : places) text.append("    ").append(shown(queries[at])).append("\n");
  };
  for (const TableAdvice& one : tables) {
    const std::string command = one.command();
    text.append(command.empty() ? "call track() for " + one.table +
                                      ": a column's name has a comma, which --by can't say"
                                : command)
        .append("\n");
    for (const RouteAdvice& route : one.routes) {
      text.append("  by ").append(joined(route.columns)).append(", from any row to some rows:\n");
      list(route.gains);
    }
    if (!one.kept_at_all.empty()) {
      text.append("  kept at all, until any row is written:\n");
      list(one.kept_at_all);
    }
  }
  if (!left.empty()) text.append("what no route helps:\n");
  for (const LeftQuery& one : left) {
    text.append("    ").append(shown(queries[one.query])).append("\n        ");
    if (!one.relation.empty()) text.append(one.relation).append(", any row: ");
    text.append(shown_sql(one.why)).append("\n");
  }
  for (const std::string& note : notes) text.append("note: ").append(note).append("\n");
  return text.append(std::to_string(good))
      .append(" of ")
      .append(std::to_string(queries.size()))
      .append(queries.size() == 1 ? " query needs" : " queries need")
      .append(" nothing");
}

Advice advise(std::vector<SeenQuery> queries, const std::vector<FoundOut>& found) {
  return Adviser(std::move(queries)).make(found);
}

Advice advise(std::vector<SeenQuery> queries,
              const std::function<QueryUse(const SeenQuery&)>& ask) {
  std::vector<FoundOut> found;
  found.reserve(queries.size());
  for (const SeenQuery& query : queries) {
    try {
      found.emplace_back(ask(query));
    } catch (const Error& failure) {
      if (failure.connection_lost()) throw;
      found.emplace_back(std::string(failure.what()));
    }
  }
  return advise(std::move(queries), found);
}

// NOLINTNEXTLINE(performance-unnecessary-value-param): those who override it keep them
Advice Analyser::advise(std::vector<SeenQuery> /*queries*/) {
  throw ConfigError(
      "this database's tables report nothing by themselves: there is nothing to advise");
}

void SeenInScript::add(std::string_view statement, std::string_view first_word,
                       std::uint64_t calls) {
  constexpr std::array<std::string_view, 50> kNoQueries{
      "insert",   "update",  "delete",     "merge",    "replace", "truncate",  "copy",
      "create",   "alter",   "drop",       "comment",  "grant",   "revoke",    "begin",
      "start",    "commit",  "end",        "rollback", "abort",   "savepoint", "release",
      "prepare",  "execute", "deallocate", "declare",  "fetch",   "move",      "close",
      "set",      "reset",   "show",       "discard",  "lock",    "listen",    "notify",
      "unlisten", "vacuum",  "analyze",    "analyse",  "reindex", "cluster",   "checkpoint",
      "refresh",  "call",    "do",         "explain",  "load",    "pragma",    "attach",
      "detach"};
  if (std::ranges::find(kNoQueries, first_word) != kNoQueries.end()) return;
  const auto [place, is_new] = places_.try_emplace(std::string(statement), queries_.size());
  if (is_new)
    queries_.push_back({.sql = place->first, .calls = calls});
  else
    queries_[place->second].calls += calls;
}

}  // namespace querymark
