#include "errors.hpp"

#include <sqlite3.h>

#include <algorithm>

#include "querymark/support/constraint_violation.hpp"
#include "statement.hpp"

namespace querymark::sqlite {
namespace {

constexpr std::string_view kDamaged = "; the file is damaged";
constexpr std::string_view kPerhapsDamaged =
    "; what the statement reads is damaged, or a virtual table that it uses says so: \"pragma "
    "integrity_check\" tells which";

std::string_view constraint_advice(int code) {
  switch (code) {
    case SQLITE_CONSTRAINT_FOREIGNKEY:
      return "; the row that it refers to must be there first, and go last";
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
      return "; such a row is there already: \"insert ... on conflict\" says what to do then";
    default:
      return "";
  }
}

std::string_view advice(int code) {
  if (code == SQLITE_BUSY_SNAPSHOT)
    return "; the transaction read before another one committed, and can't write any more: begin "
           "anew";
  if (code == SQLITE_READONLY_DIRECTORY || code == SQLITE_READONLY_CANTINIT)
    return "; its folder is not writable: there SQLite makes files for each write, and for reading "
           "a file in WAL mode that nobody has open";
  switch (code & 0xFF) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return "; another writer holds the lock: try again, or raise busy_timeout";
    case SQLITE_READONLY:
      return "; the file is read-only or this connection only reads: write through write(), and "
             "check the permissions of the file and its folder";
    case SQLITE_CANTOPEN:
      return "; check the path, its permissions, and how many files the process may have open";
    case SQLITE_NOTADB:
      return "; the file is no SQLite database";
    case SQLITE_CORRUPT:
      return kDamaged;
    case SQLITE_FULL:
      return "; the disk is full";
    case SQLITE_CONSTRAINT:
      return constraint_advice(code);
    default:
      return "";
  }
}

ViolatedConstraint::Kind kind_of(int code) noexcept {
  using Kind = ViolatedConstraint::Kind;
  switch (code) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
      return Kind::unique;
    case SQLITE_CONSTRAINT_FOREIGNKEY:
      return Kind::foreign_key;
    case SQLITE_CONSTRAINT_NOTNULL:
      return Kind::not_null;
    case SQLITE_CONSTRAINT_CHECK:
      return Kind::check;
    default:
      return Kind::other;
  }
}

// SQLite tells in words alone: "UNIQUE constraint failed: product.id, product.name" (or "index
// 'name'"), "NOT NULL constraint failed: product.name", "CHECK constraint failed: price_known".
ViolatedConstraint violated(int code, std::string_view message) {
  constexpr std::string_view kBegin = " constraint failed: ";
  constexpr std::string_view kIndex = "index '";
  ViolatedConstraint found{.kind = kind_of(code)};
  const std::size_t at = message.find(kBegin);
  if (at == std::string_view::npos || found.kind == ViolatedConstraint::Kind::other) return found;
  std::string_view rest = message.substr(at + kBegin.size());
  if (found.kind == ViolatedConstraint::Kind::check) {
    found.name = rest;
    return found;
  }
  if (rest.starts_with(kIndex) && rest.ends_with('\'')) {
    found.name = rest.substr(kIndex.size(), rest.size() - kIndex.size() - 1);
    return found;
  }
  while (!rest.empty()) {
    const std::string_view one = rest.substr(0, rest.find(", "));
    rest.remove_prefix(std::min(one.size() + 2, rest.size()));
    const std::size_t dot = one.rfind('.');
    if (dot == std::string_view::npos) continue;
    found.table = one.substr(0, dot);
    found.columns.emplace_back(one.substr(dot + 1));
  }
  return found;
}

[[noreturn]] void raise(int code, std::string_view message, std::string_view doing,
                        std::string_view advice, const ErrorTraits& traits) {
  const std::string text = "cannot " + std::string(doing) + ": " + std::string(message) + " (" +
                           code_name(code) + ')' + std::string(advice);
  if ((code & 0xFF) == SQLITE_CONSTRAINT)
    throw ConstraintViolation(text, traits, violated(code, message));
  throw Error(text, traits);
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
