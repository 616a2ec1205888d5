#pragma once  // For users.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "querymark/automatic/analysis.hpp"

// By which columns tables would have to report, so that a write of one row ends the results that depend on that row,
// and no others.

namespace querymark {

/// A query that somebody runs.
struct SeenQuery {
  std::string sql{};
  std::uint64_t calls = 1;  ///< How often, so far: what is called more is thought of first.
  Promises promises{};
};

/// A route that a table lacks.
struct RouteAdvice {
  std::vector<std::string> columns{};
  /// The queries that would depend on some rows of the table, not on any; places in Advice::queries.
  std::vector<std::size_t> gains{};
};

/// What `track` should be told of one table.
struct TableAdvice {
  std::string table{};     ///< As `track` takes it.
  std::string relation{};  ///< As `relation_name` makes it.
  bool tracked = false;
  std::vector<std::vector<std::string>> kept{};  ///< The routes that it has.
  std::vector<RouteAdvice> routes{};             ///< Those that it lacks, the most called first.
  /// The queries that would be kept, though any write of the table would end their results.
  std::vector<std::size_t> kept_at_all{};

  /// `querymark track …` for a shell. Empty where a column's name can't be said there: then call `track`.
  [[nodiscard]] std::string command() const;
};

/// What no route helps.
struct LeftQuery {
  std::size_t query = 0;   ///< Its place in Advice::queries.
  std::string relation{};  ///< Any row of this one counts; empty: the query is not kept at all.
  std::string why{};
};

/// A value type.
struct Advice {
  std::vector<SeenQuery> queries{};
  std::vector<TableAdvice> tables{};  ///< The most called first.
  std::vector<LeftQuery> left{};
  std::size_t good = 0;  ///< Queries of which nothing is said, since they depend on some rows only.
  /// What else is in the way of all of them, for people.
  std::vector<std::string> notes{};

  /// In lines for people.
  [[nodiscard]] std::string str() const;
};

/// A table is told at most so many routes to report by: each costs every write of it.
inline constexpr std::size_t kMostAdvisedRoutes = 4;

// --- for adapters

/// A column of which a query says what value it has.
struct TiedColumn {
  std::string name{};
  RouteType type = RouteType::text;
};

/// One appearance of a table in a query.
struct TableUse {
  std::string table{};
  std::string relation{};
  bool tracked = false;
  std::vector<std::vector<std::string>> routes{};  ///< By which it reports.
  bool by_route = false;                           ///< Only some of its rows count.
  std::vector<TiedColumn> tied{};                  ///< Those that a route may have.
  std::vector<std::vector<std::string>> keys{};    ///< Columns that only one row has alike.
  std::string why{};                               ///< Why none are tied, where that is known.
};

/// What a query would be if all its tables were tracked.
struct QueryUse {
  Verdict verdict = Verdict::refuse;
  std::string why{};
  std::vector<TableUse> tables{};
};

/// What is found out of each, in their order: a use, or why nobody can tell.
using FoundOut = std::variant<QueryUse, std::string>;
[[nodiscard]] Advice advise(std::vector<SeenQuery> queries, const std::vector<FoundOut>& found);

/// Asks for each; what an Error says of a text is what is found out, unless the connection is lost.
[[nodiscard]] Advice advise(std::vector<SeenQuery> queries,
                            const std::function<QueryUse(const SeenQuery&)>& ask);

/// The statements of a script, without what is empty, a write or a command.
class SeenInScript {
 public:
  /// `first_word`: in lower case. Equal texts are one query that is called more than once.
  void add(std::string_view statement, std::string_view first_word, std::uint64_t calls = 1);
  [[nodiscard]] std::vector<SeenQuery> take() && { return std::move(queries_); }

 private:
  std::vector<SeenQuery> queries_;
  std::unordered_map<std::string, std::size_t> places_;
};

}  // namespace querymark
