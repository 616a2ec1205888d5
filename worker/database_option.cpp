#include "database_option.hpp"

#include <cstdlib>
#include <fstream>

#include "querymark/support/ascii.hpp"
#include "querymark/support/error.hpp"

namespace querymark::cli {
namespace {

std::string first_line_of(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line) && !file.eof())
    throw ConfigError("can't read the file of --db-file: " + path);
  while (!line.empty() && ascii::is_blank(line.back())) line.pop_back();
  if (line.empty()) throw ConfigError("the first line of the file of --db-file is empty: " + path);
  return line;
}

}  // namespace

void DatabaseOption::add_to(CLI::App& command, const std::string& what) {
  CLI::Option* const url = command.add_option(
      "--db", url_,
      what +
          ": postgresql://USER@HOST/NAME, a libpq keyword string, or sqlite:PATH. Others can "
          "list it: with a password use --db-file, QUERYMARK_DB, PGPASSWORD or ~/.pgpass");
  command.add_option("--db-file", file_, "File whose first line is what --db would be given")
      ->excludes(url);
}

std::string DatabaseOption::url() const {
  if (!url_.empty()) return url_;
  if (!file_.empty()) return first_line_of(file_);
  const char* variable = std::getenv("QUERYMARK_DB");
  if (variable != nullptr && *variable != '\0') return variable;
  throw ConfigError(
      "no database is named: give --db, --db-file, or the environment variable QUERYMARK_DB");
}

}  // namespace querymark::cli
