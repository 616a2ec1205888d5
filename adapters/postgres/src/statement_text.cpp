#include "statement_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <initializer_list>
#include <limits>
#include <vector>

#include "effects.hpp"
#include "querymark/support/counted.hpp"
#include "querymark/support/error.hpp"
#include "querymark/support/sql_text.hpp"

namespace querymark::postgres {
namespace {

[[noreturn]] void reject(std::string_view why, std::string_view sql) {
  throw ConfigError(std::string(why) + ": " + shown_sql(sql));
}

// The tokens of one statement; semicolons around it are dropped, a second statement is refused.
class Statement {
 public:
  Statement(std::string_view sql, Backslash backslash) : sql_(sql), tokens_(sql, backslash) {
    do {
      ahead_ = tokens_.next();
    } while (ahead_ && ahead_->is(';'));
    if (!ahead_) throw ConfigError("the SQL text holds no statement");
  }

  [[nodiscard]] std::string_view sql() const noexcept { return sql_; }
  /// What `next` will return.
  [[nodiscard]] const std::optional<SqlToken>& ahead() const noexcept { return ahead_; }

  std::optional<SqlToken> next() {
    std::optional<SqlToken> token = std::move(ahead_);
    if (!token) return token;
    follow(*token);
    ahead_ = tokens_.next();
    if (ahead_ && ahead_->is(';') && parentheses_ == 0 && blocks_ == 0) {
      do {
        ahead_ = tokens_.next();
      } while (ahead_ && ahead_->is(';'));
      if (ahead_) reject("the SQL text holds more than one statement", sql_);
    }
    return token;
  }
  void finish() {
    while (next()) {
    }
  }

 private:
  // Semicolons part the actions of a rule, in parentheses, and the statements of a routine's body,
  // BEGIN ATOMIC ... END; as in psql's scanner.
  void follow(const SqlToken& token) {
    if (token.is('(')) ++parentheses_;
    if (token.is(')') && parentheses_ > 0) --parentheses_;
    if (count_ < 4 && token.kind == SqlToken::Kind::word) {
      creates_ |= count_ == 0 && token.is("create");
      routine_ |= creates_ && token.is_one_of({"function", "procedure"});
    }
    ++count_;
    if (!routine_ || parentheses_ > 0) return;
    if (token.is("begin"))
      ++blocks_;
    else if (token.is("case") && blocks_ > 0)
      ++blocks_;
    else if (token.is("end") && blocks_ > 0)
      --blocks_;
  }

  std::string_view sql_;
  SqlTokens tokens_;
  std::optional<SqlToken> ahead_;
  std::size_t parentheses_ = 0;
  std::size_t blocks_ = 0;
  std::size_t count_ = 0;
  bool creates_ = false;
  bool routine_ = false;
};

constexpr std::string_view kReadOnly = "a cached query must only read; write through write()";
constexpr std::string_view kKeepsSession =
    "a cached query must not change its session, which others share: set role, search_path and the "
    "like in the options, where they become part of the key";
constexpr std::string_view kNoCopy =
    "COPY speaks a protocol of its own: use pqxx::stream_from or stream_to in a transaction of "
    "your own (the intents of what it writes go through stage()); refused";

// What must not stand anywhere in a statement that reads.
class ReadingRules {
 public:
  explicit ReadingRules(std::string_view sql) : sql_(sql) {}

  void look_at(const SqlToken& token, const std::optional<SqlToken>& following) {
    if (changes_data(token)) reject(kReadOnly, sql_);
    if (token.is("into") && !before_.is("as") && !before_.is('.'))
      reject("SELECT INTO makes a table; create it in write()", sql_);
    if (locks_rows(token, following))
      reject(
          "a cached query locks no rows: read them FOR UPDATE or FOR SHARE with tx.query() inside "
          "write()",
          sql_);
    // Behind AS, WITH or RECURSIVE a name with parentheses is made, not called.
    if (token.is_identifier() && following && following->is('(') &&
        !before_.is_one_of({"as", "with", "recursive"}) && has_effects(token.name)) {
      if (token.name == "set_config") reject(kKeepsSession, sql_);
      throw ConfigError(
          token.name +
          "() has an effect, or an answer, that is its session's: a cached result would skip it. "
          "Call it with tx.query() inside write(), or in an uncached transaction of your own: " +
          std::string(sql_));
    }
    step(token);
  }

 private:
  // A WITH that writes, or one in front of a statement that does.
  [[nodiscard]] bool changes_data(const SqlToken& token) const {
    if (!token.is_one_of({"insert", "update", "delete", "merge"})) return false;
    const bool in_with = before_.is('(') && opener_.is_one_of({"as", "materialized"});
    return in_with || (with_ && in_query_.size() == 1 && before_.is(')'));
  }

  // FOR UPDATE, FOR NO KEY UPDATE, FOR SHARE, FOR KEY SHARE behind a query; substring(a for share)
  // is none.
  [[nodiscard]] bool locks_rows(const SqlToken& token,
                                const std::optional<SqlToken>& following) const {
    return token.is("for") && !before_.is("as") && !before_.is('.') && in_query_.back() &&
           following && following->is_one_of({"update", "share", "no", "key"});
  }

  void step(const SqlToken& token) {
    if (in_query_.size() == 1) {  // until the query that the WITH is for
      if (token.is("with") && !before_.is_identifier()) with_ = true;
      if (token.is_one_of({"select", "values", "table"})) with_ = false;
    }
    if (before_.is('(') && !token.is('('))
      in_query_.back() = token.is_one_of({"select", "with", "values", "table"});
    if (token.is('(')) {
      opener_ = before_;
      in_query_.push_back(true);
    }
    if (token.is(')') && in_query_.size() > 1) in_query_.pop_back();
    before_ = token;
  }

  std::string_view sql_;
  SqlToken before_;
  SqlToken opener_;                   // what stood before the last parenthesis
  std::vector<bool> in_query_{true};  // one for each open parenthesis
  bool with_ = false;
};

// Refuses what is known as another command than those that read.
void require_no_command(const SqlToken& first, std::string_view sql) {
  if (first.is("copy")) reject(kNoCopy, sql);
  if (first.is_one_of({"set", "reset", "discard", "listen", "unlisten", "load"}))
    reject(kKeepsSession, sql);
  if (first.is_one_of({"prepare", "execute", "deallocate", "declare", "fetch", "move", "close"}))
    reject(
        "prepared statements and cursors belong to a session, and a cached query may run in any: "
        "give the query itself",
        sql);
  if (first.is_one_of(
          {"begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release"}))
    reject("a cached query runs in a transaction of its own; for several statements use write()",
           sql);
  if (first.is_one_of({"alter",    "analyse",  "analyze", "call",    "checkpoint",
                       "cluster",  "comment",  "create",  "delete",  "do",
                       "drop",     "grant",    "import",  "insert",  "lock",
                       "merge",    "notify",   "refresh", "reindex", "revoke",
                       "security", "truncate", "update",  "vacuum",  "reassign"}))
    reject(kReadOnly, sql);
}

// The n of `$n`; one that is too large for any list is the largest.
std::size_t number_of(std::string_view sql, const SqlToken& parameter) {
  const char* const begin = sql.data() + parameter.begin + 1;
  std::size_t number = 0;
  const auto parsed = std::from_chars(begin, sql.data() + parameter.end, number);
  return parsed.ec == std::errc() ? number : std::numeric_limits<std::size_t>::max();
}

bool reads_rows(const SqlToken& token) {
  return token.is_one_of({"select", "with", "values", "table"});
}

// Whether EXPLAIN runs what it explains. Moves to that statement, or into its parentheses.
bool runs(Statement& statement) {
  const auto ahead_is = [&](auto... what) {
    return statement.ahead() && (statement.ahead()->is(what) || ...);
  };
  bool analyzes = false;
  if (!ahead_is('(')) {
    while (ahead_is("analyze", "analyse", "verbose")) analyzes |= !statement.next()->is("verbose");
    return analyzes;
  }
  static_cast<void>(statement.next());
  if (ahead_is('(', "select", "with", "values", "table")) return false;  // EXPLAIN (SELECT 1)
  while (!ahead_is(')')) {
    const auto option = statement.next();
    if (!option) return analyzes;
    analyzes |= option->is_one_of({"analyze", "analyse"});
  }
  static_cast<void>(statement.next());
  return analyzes;
}

void require_explaining(Statement& statement) {
  if (!runs(statement)) {
    statement.finish();
    return;
  }
  if (const auto& ahead = statement.ahead(); ahead && !ahead->is('(') && !reads_rows(*ahead))
    reject("EXPLAIN ANALYZE runs what it explains; explain a change with tx.query() inside write()",
           statement.sql());
  ReadingRules rules(statement.sql());
  while (const auto token = statement.next()) rules.look_at(*token, statement.ahead());
}

}  // namespace

Reading require_reading(std::string_view sql, Backslash backslash) {
  Statement statement(sql, backslash);
  ReadingRules rules(sql);
  std::optional<SqlToken> first = statement.next();
  if (!first->is('(')) require_no_command(*first, sql);
  if (first->is("explain")) {
    require_explaining(statement);
    return Reading::about;
  }
  while (first && first->is('(')) {
    rules.look_at(*first, statement.ahead());
    first = statement.next();
  }
  const bool rows = first && reads_rows(*first);
  if (first) rules.look_at(*first, statement.ahead());
  if (!rows) {
    // SHOW, or no statement that is known here: the server says what is wrong with it.
    statement.finish();
    return Reading::about;
  }
  while (const auto token = statement.next()) rules.look_at(*token, statement.ahead());
  return Reading::rows;
}

void require_inside_transaction(std::string_view sql, Backslash backslash) {
  Statement statement(sql, backslash);
  const auto take = [&] { return statement.next().value_or(SqlToken()); };
  const SqlToken first = take();
  bool ends = first.is_one_of({"begin", "start", "commit", "end", "rollback", "abort"});
  bool lasts = first.is_one_of({"reset", "discard", "listen", "unlisten", "load", "deallocate"});
  if (first.is("rollback")) {  // TO a savepoint stays inside
    SqlToken second = take();
    if (second.is_one_of({"work", "transaction"})) second = take();
    ends = !second.is("to");
  } else if (first.is("prepare")) {  // PREPARE name AS lasts
    ends = take().is("transaction") && statement.ahead() &&
           statement.ahead()->kind == SqlToken::Kind::text;
    lasts = !ends;
  } else if (first.is("set")) {
    SqlToken second = take();
    lasts = !second.is_one_of({"local", "constraints"});
    if (second.is_one_of({"local", "session"}) && statement.ahead()) second = *statement.ahead();
    if (second.is_one_of({"transaction", "transaction_isolation", "transaction_read_only",
                          "transaction_deferrable"}))
      reject(
          "SET TRANSACTION comes too late, since the transaction has begun: give its isolation in "
          "WriteOptions::isolation",
          sql);
  } else if (first.is("declare")) {
    SqlToken before;
    while (const auto token = statement.next()) {
      lasts |= before.is("with") && token->is("hold");
      before = *token;
    }
  }
  if (ends)
    reject(
        "write() begins and ends the transaction itself (WriteOptions::isolation is its isolation, "
        "an exception rolls it back); it refuses",
        sql);
  if (lasts)
    reject(
        "the connection goes back to a pool, so its session must stay as it is: use SET LOCAL, or "
        "the options; refused",
        sql);
  if (first.is("copy")) reject(kNoCopy, sql);
  statement.finish();
}

void require_parameters(std::string_view sql, Backslash backslash, std::size_t given) {
  std::size_t asked = 0;
  SqlTokens tokens(sql, backslash);
  while (const auto token = tokens.next())
    if (token->kind == SqlToken::Kind::parameter) asked = std::max(asked, number_of(sql, *token));
  if (asked != given)
    throw ConfigError("the SQL has " + counted(asked, "parameter") + ", " + std::to_string(given) +
                          (given == 1 ? " was given: " : " were given: ") + shown_sql(sql),
                      {.native_code = "08P01"});
}

bool has_question_marks(std::string_view sql, Backslash backslash) {
  bool marks = false;
  SqlTokens tokens(sql, backslash);
  while (const auto token = tokens.next()) {
    if (token->kind == SqlToken::Kind::parameter) return false;
    marks = marks || token->is('?');
  }
  return marks;
}

std::string with_literals(std::string_view sql, std::span<const ParameterView> values,
                          const std::function<std::string(ParameterView)>& quote,
                          Backslash backslash) {
  std::string text;
  std::size_t copied = 0;
  SqlTokens tokens(sql, backslash);
  while (const auto token = tokens.next()) {
    if (token->kind != SqlToken::Kind::parameter) continue;
    const std::size_t number = number_of(sql, *token);
    if (number == 0 || number > values.size())
      throw ConfigError("the SQL names a parameter that was not given: " + shown_sql(sql));
    text.append(sql.substr(copied, token->begin - copied));
    // The space keeps "$1" of "$1and" apart from the word; a cast or comma does not mind.
    text += quote(values[number - 1]) + ' ';
    copied = token->end;
  }
  return text.append(sql.substr(copied));
}

}  // namespace querymark::postgres
