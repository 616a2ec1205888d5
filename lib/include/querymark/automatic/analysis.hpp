#pragma once  // For writers of ports.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "querymark/key/parameter.hpp"
#include "querymark/key/target.hpp"

// What is known of a query's text without running it: on which rows of which relations its result can depend.
// Made by the database itself (Analyser); what these rows are called, tracked.hpp says.

namespace querymark {

/// How the values of a routed column are written by triggers. Equal values in SQL are equal texts.
enum class RouteType : std::uint8_t {
  integer,
  boolean,  ///< `true` and `false`.
  uuid,     ///< 36 lower-case characters.
  text,     ///< As it is: strings that are equal byte by byte only, and enumerations.
};

/// A value that is compared with a routed column.
struct RouteValue {
  /// Which parameter, counted from zero. Nothing: a constant.
  std::optional<std::size_t> parameter{};
  /// The constant as triggers write it, not escaped.
  std::string constant{};
  /// The parameter is a list (or an array) whose elements are meant.
  bool elements = false;
  friend bool operator==(const RouteValue&, const RouteValue&) = default;
};

/// One column of a route, and the values that a row can have in it.
struct RoutedColumn {
  RouteType type = RouteType::text;
  std::vector<RouteValue> values{};
  friend bool operator==(const RoutedColumn&, const RoutedColumn&) = default;
};

/// One appearance of a relation in a query, views expanded: which of its rows can influence the result.
struct Occurrence {
  std::string relation{};  ///< As `relation_name` makes it.
  /// As `route_name` makes it: only rows with these values count. Empty: any row.
  std::string route{};
  std::vector<RoutedColumn> columns{};  ///< Those of the route, in its order.
  friend bool operator==(const Occurrence&, const Occurrence&) = default;
};

enum class Verdict : std::uint8_t {
  cache,     ///< The occurrences say all that the result depends on.
  ttl_only,  ///< It depends on more: to be kept on request only, for a time.
  refuse,    ///< Never kept.
};

[[nodiscard]] std::string_view to_string(Verdict verdict) noexcept;

/// What the caller vouches for, of functions whose text the database does not show. A value type.
struct Promises {
  /// These tables are all that such functions read in this query, whichever rows: named as the database finds them.
  std::vector<std::string> reads{};
  /// These functions, `name` or `schema.name`, depend on their arguments alone.
  std::vector<std::string> pure{};

  [[nodiscard]] bool none() const noexcept { return reads.empty() && pure.empty(); }
  /// Whether it is vouched for that a function depends on its arguments alone.
  [[nodiscard]] bool calls_pure(std::string_view schema, std::string_view name) const;
  friend bool operator==(const Promises&, const Promises&) = default;
};
/// What tells promises apart, byte for byte; empty for none.
[[nodiscard]] std::string key_of(const Promises& promises);

/// What is known of one text in one session. A value type.
struct Analysis {
  Verdict verdict = Verdict::refuse;
  /// Why it is not `cache`, and what to do, for people.
  std::string why{};
  std::vector<Occurrence> occurrences{};
  /// Which parameters become dates or times, counted from zero: as a text they may mean another one tomorrow.
  std::vector<std::size_t> dates{};
  /// The first parameter is a list of keys. Each row of the result tells in its first column which of them it is of,
  /// and depends on no other: so what a key's rows depend on is what they would with a list of that key alone.
  bool keys_apart = false;
  /// It holds as far as this process finds out by itself: what rests on it is for no shared tier.
  bool local = false;
  bool passing = false;  ///< Of this moment alone: the next read asks again.

  /// In lines for people: the verdict, each occurrence with its route.
  [[nodiscard]] std::string str() const;
};

/// More values of a routed column than this are not told apart.
inline constexpr std::size_t kMaxRouteValues = 64;

/// What a call's result depends on: its parameters fill in the routes. Where one has another type than its
/// column, or is NULL, longer than triggers report, or one of too many, any row counts.
[[nodiscard]] std::vector<Target> targets_of(const Analysis& analysis,
                                             std::span<const ParameterView> parameters);

/// The same for one key of a statement that takes a list of them (by_ordinal.hpp): the key is the first parameter.
[[nodiscard]] std::vector<Target> targets_of_one_key(const Analysis& analysis,
                                                     std::span<const ParameterView> parameters);

/// Whether these parameters mean the same whenever they are bound: no date among them is a text like `today`.
[[nodiscard]] bool mean_the_same(const Analysis& analysis,
                                 std::span<const ParameterView> parameters);

struct Advice;     // advice.hpp
struct SeenQuery;  // advice.hpp

/// What a database's adapter implements so that nobody has to declare tags.
class Analyser {
 public:
  virtual ~Analyser() = default;
  /// Asks the database, which runs nothing of it. Blocks. Thread-safe.
  /// What can't be judged is refused, with the reason. Throws Error where the database can't be asked, or
  /// refuses the text.
  [[nodiscard]] virtual Analysis analyse(std::string_view sql, const Promises& promises) = 0;
  /// Which routes would help these queries. Blocks, for each. Thread-safe. Throws Error where the database can't be
  /// asked; ConfigError where nobody knows, as here.
  [[nodiscard]] virtual Advice advise(std::vector<SeenQuery> queries);
};

}  // namespace querymark
