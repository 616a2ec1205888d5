#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>

struct sqlite3;

namespace querymark::sqlite {

/// What a statement reads and calls, views expanded, as SQLite tells while it is prepared.
struct Mentions {
  /// Schema and name, as the text spells the name where nothing of it is read but how many rows there
  /// are: then the schema is empty, and the name may be that of a common table expression.
  std::set<std::pair<std::string, std::string>> tables{};
  std::set<std::string> functions{};  ///< In lower case; operators that are functions, too.
};

/// Decides what SQL may do on one of the library's own connections. SQLite asks at each
/// preparation, also at the one inside a step after the schema has changed, so no spelling passes
/// it by. One per connection, for as long as that is open. Not thread-safe.
class Guard {
 public:
  enum class Rules : std::uint8_t {
    own,      ///< The library's own SQL: all but ATTACH.
    reading,  ///< A caller's query on a pooled connection, which must stay as it is.
    writing,  ///< A caller's statement inside write(), whose transaction must stand.
  };

  explicit Guard(sqlite3* database);
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

  /// Other rules for its scope: both preparing and running belong inside.
  class Scope {
   public:
    Scope(Guard& guard, Rules rules) noexcept : guard_(guard), before_(guard.rules_) {
      guard_.rules_ = rules;
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope() { guard_.rules_ = before_; }

   private:
    Guard& guard_;
    Rules before_;
  };

  /// From now on whatever is prepared is told to `mentions`, which must live until it is null again.
  void tell(Mentions* mentions) noexcept { mentions_ = mentions; }

  /// Before a preparation: forgets the last refusal, and of what the last statement told.
  void begin() noexcept {
    refusal_ = {};
    tells_of_connection_ = false;
  }
  /// Why the last preparation was refused; empty when it was not.
  [[nodiscard]] std::string_view refusal() const noexcept { return refusal_; }
  /// The statement's answer depends on what its connection did before, or how it is set.
  [[nodiscard]] bool tells_of_connection() const noexcept { return tells_of_connection_; }
  /// Something that outlives the transaction was prepared: a temporary object, a setting. What
  /// comes after must not run on this connection.
  [[nodiscard]] bool session_changed() const noexcept { return session_changed_; }

 private:
  static int ask(void* guard, int action, const char* first, const char* second,
                 const char* database, const char* trigger);
  int decide(int action, const char* first, const char* second, std::string_view database) noexcept;
  int decide_pragma(std::string_view name, const char* argument) noexcept;
  int refuse(std::string_view why) noexcept;
  void note(int action, const char* first, const char* second, std::string_view database);

  Rules rules_ = Rules::own;
  std::string_view refusal_;  // always a literal
  Mentions* mentions_ = nullptr;
  bool tells_of_connection_ = false;
  bool session_changed_ = false;
};

}  // namespace querymark::sqlite
