#include "database_option.hpp"

#include <cstdlib>
#include <fstream>

#include "querymark/support/ascii.hpp"
#include "querymark/support/error.hpp"

namespace querymark::cli {
namespace {

// Blanks around a name are a shell's or an editor's.
std::string trimmed(std::string_view text) {
  while (!text.empty() && ascii::is_blank(text.back())) text.remove_suffix(1);
  while (!text.empty() && ascii::is_blank(text.front())) text.remove_prefix(1);
  return std::string(text);
}

}  // namespace

std::string url_in_file(const std::string& path) {
  std::ifstream file(path);
  // A pipe may stand for it (`--db-file <(pass show shop)`), but not a device that never ends.
  constexpr std::streamsize kLongestName = 1 << 16;
  std::string line(kLongestName, '\0');
  file.getline(line.data(), kLongestName);
  const std::streamsize length = file.gcount();
  if (file.fail() && !file.eof() && length == kLongestName - 1)
    throw ConfigError("the first line of the file with the database's name is too long: " + path);
  if (file.fail() && !file.eof())
    throw ConfigError("can't read the file with the database's name: " + path);
  line.resize(static_cast<std::size_t>(file.eof() ? length : length - 1));  // the newline counts
  line = trimmed(line);
  if (line.empty())
    throw ConfigError("the first line of the file with the database's name is empty: " + path);
  return line;
}

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
  if (const std::string url = trimmed(url_); !url.empty()) return url;
  if (!file_.empty()) return url_in_file(file_);
  // NOLINTNEXTLINE(concurrency-mt-unsafe): no threads yet
  const char* variable = std::getenv("QUERYMARK_DB");
  if (variable == nullptr) variable = "";
  if (const std::string url = trimmed(variable); !url.empty()) return url;
  throw ConfigError(
      "no database is named: give --db, --db-file, or the environment variable QUERYMARK_DB");
}

}  // namespace querymark::cli
