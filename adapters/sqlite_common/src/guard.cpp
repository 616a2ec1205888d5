#include "guard.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <new>
#include <span>

#include "querymark/support/ascii.hpp"

namespace querymark::sqlite {
namespace {

constexpr std::string_view kAttach =
    "ATTACH is refused: a commit over several WAL files is not atomic";
constexpr std::string_view kReading =
    "a cached query must only read; write through write(), which begins and ends the transaction";
constexpr std::string_view kWriting =
    "write() begins and ends the transaction itself: return from the function to commit, throw to "
    "roll back, and use savepoints for parts of it";
constexpr std::string_view kReadingPragma =
    "a cached query must leave the database and its connection, which others share, as they are: "
    "what is stored is set in write(), and for settings there are options";
constexpr std::string_view kSetting =
    "this setting belongs to a connection that others share: set what there is an option for in "
    "the options";

// What tells of the schema and of the data alone; these may have an argument.
constexpr std::string_view kTellOfSchema[] = {
    "foreign_key_check", "foreign_key_list", "index_info", "index_list", "index_xinfo",
    "integrity_check",   "quick_check",      "table_info", "table_list", "table_xinfo",
};
// What can be asked for without an argument, and then changes nothing.
constexpr std::string_view kAsk[] = {
    "application_id",
    "auto_vacuum",
    "automatic_index",
    "busy_timeout",
    "cache_size",
    "cache_spill",
    "cell_size_check",
    "checkpoint_fullfsync",
    "collation_list",
    "compile_options",
    "data_version",
    "database_list",
    "defer_foreign_keys",
    "encoding",
    "foreign_keys",
    "freelist_count",
    "full_column_names",
    "fullfsync",
    "function_list",
    "hard_heap_limit",
    "ignore_check_constraints",
    "journal_mode",
    "journal_size_limit",
    "legacy_alter_table",
    "locking_mode",
    "max_page_count",
    "mmap_size",
    "module_list",
    "page_count",
    "page_size",
    "pragma_list",
    "query_only",
    "read_uncommitted",
    "recursive_triggers",
    "reverse_unordered_selects",
    "schema_version",
    "secure_delete",
    "short_column_names",
    "soft_heap_limit",
    "synchronous",
    "temp_store",
    "threads",
    "trusted_schema",
    "user_version",
    "wal_autocheckpoint",
    "writable_schema",
};
// What is part of the transaction, or ends with it.
constexpr std::string_view kTransactional[] = {
    "application_id", "defer_foreign_keys", "incremental_vacuum", "optimize", "user_version",
};
// What a write may want for itself; its connection is closed afterwards.
constexpr std::string_view kForOneWrite[] = {
    "automatic_index",     "cache_size",         "cache_spill",
    "case_sensitive_like", "cell_size_check",    "ignore_check_constraints",
    "legacy_alter_table",  "recursive_triggers", "reverse_unordered_selects",
    "secure_delete",
};
// Functions that tell of what the connection did before.
constexpr std::string_view kOfConnection[] = {"changes", "last_insert_rowid", "total_changes"};

bool among(std::span<const std::string_view> names, std::string_view name) noexcept {
  return std::ranges::any_of(names,
                             [name](std::string_view one) { return ascii::equal(one, name); });
}

std::string_view text_of(const char* text) noexcept { return text != nullptr ? text : ""; }

}  // namespace

Guard::Guard(sqlite3* database) { sqlite3_set_authorizer(database, &Guard::ask, this); }

int Guard::ask(void* guard, int action, const char* first, const char* second, const char* database,
               const char* /*trigger*/) {
  auto& self = *static_cast<Guard*>(guard);
  const int answer = self.decide(action, first, second, text_of(database));
  if (answer != SQLITE_OK || self.mentions_ == nullptr) return answer;
  try {
    self.note(action, first, second, text_of(database));
  } catch (const std::bad_alloc&) {  // what was not noted would be taken for not read
    return self.refuse("out of memory");
  }
  return answer;
}

void Guard::note(int action, const char* first, const char* second, std::string_view database) {
  if (action == SQLITE_READ) mentions_->tables.emplace(database, text_of(first));
  if (action == SQLITE_FUNCTION) mentions_->functions.insert(ascii::to_lower(text_of(second)));
}

int Guard::refuse(std::string_view why) noexcept {
  refusal_ = why;
  return SQLITE_DENY;
}

int Guard::decide(int action, const char* first, const char* second,
                  std::string_view database) noexcept {
  switch (action) {
    case SQLITE_ATTACH:
    case SQLITE_DETACH:
      return refuse(kAttach);
    case SQLITE_TRANSACTION:
      if (rules_ == Rules::own) return SQLITE_OK;
      return refuse(rules_ == Rules::reading ? kReading : kWriting);
    case SQLITE_SAVEPOINT:
      return rules_ == Rules::reading ? refuse(kReading) : SQLITE_OK;
    case SQLITE_PRAGMA:
      return rules_ == Rules::own ? SQLITE_OK : decide_pragma(text_of(first), second);
    case SQLITE_CREATE_TEMP_INDEX:
    case SQLITE_CREATE_TEMP_TABLE:
    case SQLITE_CREATE_TEMP_TRIGGER:
    case SQLITE_CREATE_TEMP_VIEW:
      session_changed_ = true;
      return SQLITE_OK;
    case SQLITE_CREATE_VTABLE:
      if (ascii::equal(database, "temp")) session_changed_ = true;
      return SQLITE_OK;
    case SQLITE_FUNCTION:
      if (among(kOfConnection, text_of(second))) tells_of_connection_ = true;
      return SQLITE_OK;
    case SQLITE_READ: {  // pragmas as tables
      constexpr std::string_view kPrefix = "pragma_";
      const std::string_view table = text_of(first);
      if (table.size() > kPrefix.size() && ascii::equal(table.substr(0, kPrefix.size()), kPrefix) &&
          among(kAsk, table.substr(kPrefix.size())))
        tells_of_connection_ = true;
      return SQLITE_OK;
    }
    default:
      return SQLITE_OK;
  }
}

int Guard::decide_pragma(std::string_view name, const char* argument) noexcept {
  if (among(kTellOfSchema, name)) return SQLITE_OK;
  if (argument == nullptr && among(kAsk, name)) return SQLITE_OK;
  if (rules_ == Rules::writing) {
    if (among(kTransactional, name)) return SQLITE_OK;
    if (among(kForOneWrite, name)) {
      session_changed_ = true;
      return SQLITE_OK;
    }
  }
  return refuse(rules_ == Rules::reading ? kReadingPragma : kSetting);
}

}  // namespace querymark::sqlite
