#include "stranger_session.hpp"

#include <sqlite3.h>

#include <memory>
#include <stdexcept>
#ifdef CATALOGUE_WITH_POSTGRES
#include <pqxx/connection>
#include <pqxx/nontransaction>
#endif

namespace catalogue {
namespace {

Session sqlite_session(const std::string& path) {
  sqlite3* opened = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &opened, SQLITE_OPEN_READWRITE, nullptr);
  const std::shared_ptr<sqlite3> database(opened, sqlite3_close);
  if (code != SQLITE_OK) throw std::runtime_error(sqlite3_errstr(code));
  sqlite3_busy_timeout(opened, 5000);
  return [database](const std::string& sql) {
    if (sqlite3_exec(database.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
      throw std::runtime_error(sqlite3_errmsg(database.get()));
  };
}

}  // namespace

Session stranger_session(const std::string& url) {
  constexpr std::string_view kSqlite = "sqlite:";
  if (url.starts_with(kSqlite)) return sqlite_session(url.substr(kSqlite.size()));
#ifdef CATALOGUE_WITH_POSTGRES
  const auto connection = std::make_shared<pqxx::connection>(url);
  return [connection](const std::string& sql) { pqxx::nontransaction(*connection).exec(sql); };
#else
  return sqlite_session(url);
#endif
}

std::string sql_literal(std::string_view text) {
  std::string literal = "'";
  for (const char c : text) {
    if (c == '\'') literal += c;
    literal += c;
  }
  return literal += '\'';
}

}  // namespace catalogue
