#include "errors.hpp"

#include <sqlite3.h>

#include "statement.hpp"

#include "querymark/support/excerpt.hpp"

namespace querymark::sqlite {
namespace {

constexpr std::string_view kDamaged = "; the file is damaged";
constexpr std::string_view kPerhapsDamaged =
    "; what the statement reads is damaged, or a virtual table that it uses says so: \"pragma "
    "integrity_check\" tells which";

std::string_view advice(int code) {
  if (code == SQLITE_BUSY_SNAPSHOT)
    return "; the transaction read before another one committed, and can't write any more: begin "
           "anew";
  switch (code & 0xFF) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return "; another writer holds the lock: try again, or raise busy_timeout";
    case SQLITE_READONLY:
      return "; the file is read-only or this connection only reads: write through write(), and "
             "check the permissions of the file and its folder";
    case SQLITE_CANTOPEN:
      return "; check the path and its permissions";
    case SQLITE_NOTADB:
      return "; the file is no SQLite database";
    case SQLITE_CORRUPT:
      return kDamaged;
    case SQLITE_FULL:
      return "; the disk is full";
    default:
      return "";
  }
}

[[noreturn]] void raise(int code, std::string_view message, std::string_view doing,
                        std::string_view advice, const ErrorTraits& traits) {
  throw Error("cannot " + std::string(doing) + ": " + std::string(message) + " (" +
                  code_name(code) + ')' + std::string(advice),
              traits);
}

}  // namespace

int extended_code(sqlite3* database, int code) noexcept {
  const int detail = database != nullptr ? sqlite3_extended_errcode(database) : code;
  return (detail & 0xFF) == (code & 0xFF) ? detail : code;
}

ErrorTraits traits_of(int code) {
  const int primary = code & 0xFF;
  return {.retryable = primary == SQLITE_BUSY || primary == SQLITE_LOCKED ||
                       primary == SQLITE_PROTOCOL || primary == SQLITE_SCHEMA,
          .connection_lost = primary == SQLITE_CANTOPEN || primary == SQLITE_NOTADB ||
                             primary == SQLITE_IOERR || primary == SQLITE_CORRUPT,
          .outcome_unknown = false,
          .native_code = code_name(code)};
}

std::string shortened(std::string_view sql) {
  constexpr std::size_t kLongest = 300;
  return excerpt(sql, kLongest);
}

void rethrow(const SQLite::Exception& failure, std::string_view doing) {
  const int code =
      failure.getExtendedErrorCode() > 0 ? failure.getExtendedErrorCode() : failure.getErrorCode();
  raise(code, failure.what(), doing, advice(code), traits_of(code));
}

void fail_statement(int code, sqlite3* database, std::string_view doing) {
  const int detail = extended_code(database, code);
  const std::string message = sqlite3_errmsg(database);
  ErrorTraits traits = traits_of(detail);
  std::string_view what_next = advice(detail);
  if ((code & 0xFF) == SQLITE_CORRUPT && look_at_schema(database)) {
    traits.connection_lost = false;
    what_next = kPerhapsDamaged;
  }
  raise(detail, message, doing, what_next, traits);
}

}  // namespace querymark::sqlite
