// A session that has never heard of querymark: it runs the SQL that it reads, line by line, and says
// "ok" or what was wrong. The commands sqlite3 and psql do no more; of these the demo needs neither.

#include <sqlite3.h>

#include <exception>
#include <functional>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#ifdef CATALOGUE_WITH_POSTGRES
#include <pqxx/connection>
#include <pqxx/nontransaction>
#endif

namespace {

using Run = std::function<void(const std::string& sql)>;

Run sqlite_session(const std::string& path) {
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

Run session(const std::string& url) {
  constexpr std::string_view kSqlite = "sqlite:";
  if (url.starts_with(kSqlite)) return sqlite_session(url.substr(kSqlite.size()));
#ifdef CATALOGUE_WITH_POSTGRES
  const auto connection = std::make_shared<pqxx::connection>(url);
  return [connection](const std::string& sql) { pqxx::nontransaction(*connection).exec(sql); };
#else
  return sqlite_session(url);
#endif
}

// In one line.
std::string flat(std::string text) {
  for (char& c : text)
    if (c == '\n') c = ' ';
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: catalogue_stranger sqlite:PATH | postgresql://…\n";
    return 2;
  }
  try {
    const Run run = session(argv[1]);
    for (std::string line; std::getline(std::cin, line);) {
      try {
        run(line);
        std::cout << "ok" << std::endl;
      } catch (const std::exception& failure) {
        std::cout << flat(failure.what()) << std::endl;
      }
    }
    return 0;
  } catch (const std::exception& failure) {
    std::cout << flat(failure.what()) << std::endl;
    return 1;
  }
}
