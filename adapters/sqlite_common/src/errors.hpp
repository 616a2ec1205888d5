#pragma once

#include <SQLiteCpp/Exception.h>

#include <string>
#include <string_view>

#include "querymark/support/error.hpp"

struct sqlite3;

namespace querymark::sqlite {

/// SQLite's name of a result code: "SQLITE_CONSTRAINT_UNIQUE".
[[nodiscard]] std::string code_name(int code);
/// `code` with the detail that the connection, which may be null, remembers of it.
[[nodiscard]] int extended_code(sqlite3* database, int code) noexcept;
/// What a caller may do about it.
[[nodiscard]] ErrorTraits traits_of(int code);

/// Throws the querymark error for a SQLite failure; the one place where they are translated.
/// `doing` names what was tried: "open shop.db".
[[noreturn]] void rethrow(const SQLite::Exception& failure, std::string_view doing);
/// The same for the result code of a statement; ConstraintViolation where it is one. A code that tells of a
/// damaged file may come from what the statement did (full-text tables have a use for it): then the
/// connection is asked, and counts as lost only if it can't be read either.
[[noreturn]] void fail_statement(int code, sqlite3* database, std::string_view doing);

/// Runs `action` so that no SQLite exception leaves it.
template <class Action>
decltype(auto) translated(std::string_view doing, Action&& action) {
  try {
    return action();
  } catch (const SQLite::Exception& failure) {
    rethrow(failure, doing);
  }
}

}  // namespace querymark::sqlite
