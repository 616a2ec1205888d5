#pragma once

#include <SQLiteCpp/Exception.h>

#include <string>
#include <string_view>

#include "querymark/support/error.hpp"

struct sqlite3;

namespace querymark::sqlite {

/// Throws the querymark error for a SQLite failure; the one place where they are translated.
/// `doing` names what was tried: "open shop.db".
[[noreturn]] void rethrow(const SQLite::Exception& failure, std::string_view doing);
/// The same for a bare result code; `database` may be null.
[[noreturn]] void fail(int code, sqlite3* database, std::string_view doing);

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
