#include "errors.hpp"

#include <sqlite3.h>

namespace querymark::sqlite {
namespace {

std::string code_name(int code) {
  switch (code & 0xFF) {
    case SQLITE_BUSY:
      return "SQLITE_BUSY";
    case SQLITE_LOCKED:
      return "SQLITE_LOCKED";
    case SQLITE_READONLY:
      return "SQLITE_READONLY";
    case SQLITE_IOERR:
      return "SQLITE_IOERR";
    case SQLITE_CORRUPT:
      return "SQLITE_CORRUPT";
    case SQLITE_NOTADB:
      return "SQLITE_NOTADB";
    case SQLITE_CANTOPEN:
      return "SQLITE_CANTOPEN";
    case SQLITE_FULL:
      return "SQLITE_FULL";
    case SQLITE_CONSTRAINT:
      return "SQLITE_CONSTRAINT";
    case SQLITE_AUTH:
      return "SQLITE_AUTH";
    default:
      return "SQLITE_" + std::to_string(code);
  }
}

std::string_view advice(int code) {
  switch (code & 0xFF) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return "; another writer holds the lock: try again, or raise busy_timeout";
    case SQLITE_READONLY:
      return "; the file is read-only or this connection only reads: write through write(), and "
             "check the "
             "permissions of the file and its folder";
    case SQLITE_CANTOPEN:
      return "; check the path and its permissions";
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      return "; the file is damaged or no SQLite database";
    case SQLITE_FULL:
      return "; the disk is full";
    case SQLITE_AUTH:
      return "; ATTACH is refused: a commit over several WAL files is not atomic";
    default:
      return "";
  }
}

ErrorTraits traits_of(int code) {
  const int primary = code & 0xFF;
  return {.retryable = primary == SQLITE_BUSY || primary == SQLITE_LOCKED,
          .connection_lost = primary == SQLITE_CANTOPEN || primary == SQLITE_NOTADB ||
                             primary == SQLITE_IOERR || primary == SQLITE_CORRUPT,
          .outcome_unknown = false,
          .native_code = code_name(code)};
}

[[noreturn]] void raise(int code, std::string_view message, std::string_view doing) {
  throw Error("cannot " + std::string(doing) + ": " + std::string(message) + " (" +
                  code_name(code) + ')' + std::string(advice(code)),
              traits_of(code));
}

}  // namespace

void rethrow(const SQLite::Exception& failure, std::string_view doing) {
  raise(failure.getErrorCode(), failure.what(), doing);
}

void fail(int code, sqlite3* database, std::string_view doing) {
  raise(code, database != nullptr ? sqlite3_errmsg(database) : sqlite3_errstr(code), doing);
}

}  // namespace querymark::sqlite
