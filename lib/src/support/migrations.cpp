#include "querymark/support/migrations.hpp"

namespace querymark {

// A migration file works alone because it begins and ends its own transaction; here that is the
// port's.
std::string body_of(const Migration& migration, const MigrationPort& port) {
  static constexpr std::string_view kCommit = "\ncommit;\n";
  std::string body(migration.text);
  const std::size_t begin = body.find('\n' + port.begin + '\n');
  const std::size_t commit = body.rfind(kCommit);
  if (begin == std::string::npos || commit == std::string::npos)
    throw ConfigError("migration " + std::string(migration.name) +
                      " does not hold its transaction");
  body.erase(commit + 1, kCommit.size() - 1);
  body.erase(begin + 1, port.begin.size() + 1);
  return body;
}

MigrationReport run_migrations(std::span<const Migration> migrations, const MigrationPort& port,
                               bool dry_run) {
  const int newest = migrations.back().version;
  int version = port.find_version();
  MigrationReport report{.from = version, .to = newest, .applied = {}};
  if (version > newest) fail_schema(port, version, newest);
  for (const Migration& migration : migrations) {
    if (migration.version <= version) continue;
    const auto proceed = [&] {
      version = port.find_version();
      return migration.version > version;  // or another process was faster
    };
    try {
      if (!dry_run && !port.run(body_of(migration, port), proceed)) continue;
    } catch (const Error& failure) {
      if (!port.dispensable || !port.dispensable(migration, failure)) throw;
      continue;
    }
    report.applied.emplace_back(migration.name);
  }
  return report;
}

void fail_schema(const MigrationPort& port, int found, int needed) {
  if (found > needed)
    throw SchemaError(port.label + " has querymark schema " + std::to_string(found) +
                      ", newer than this program's " + std::to_string(needed) +
                      "; upgrade the program");
  throw SchemaError(
      port.label +
      (found == 0 ? " has no querymark schema" : " has querymark schema " + std::to_string(found)) +
      ", this program needs " + std::to_string(needed) + "; run: querymark migrate --db " +
      port.url);
}

}  // namespace querymark
