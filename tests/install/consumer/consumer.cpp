// Uses each adapter that it was built with, as far as that goes without a server.
#include <fmt/format.h>

#include <cstdio>
#ifdef WITH_sqlite
#include "querymark/sqlite/sqlite.hpp"
#endif
#ifdef WITH_file_tier
#include "querymark/file_tier/file_tier.hpp"
#include "querymark/querymark.hpp"
#endif
#ifdef WITH_postgres
#include "querymark/postgres/postgres.hpp"
#endif

namespace qm = querymark;

int main([[maybe_unused]] int argc, [[maybe_unused]] char** argv) {
  qm::Cache cache;
#ifdef WITH_sqlite
  qm::sqlite::migrate(argv[1]);
  qm::sqlite::Database database(argv[1], cache);
  const auto rows = database.query("select 7").fetch_as<int>();
  fmt::print("sqlite {}\n", rows[0]);
#endif
#ifdef WITH_file_tier
  const qm::FileTier tier(std::string(argv[1]) + ".tier");
  fmt::print("{} tier\n", tier.label());
#endif
#ifdef WITH_postgres
  try {
    const qm::postgres::Database nowhere("postgresql://127.0.0.1:1/nowhere", cache);
  } catch (const qm::Error& failure) {
    fmt::print("postgres {}\n", failure.connection_lost());
  }
#endif
  return 0;
}
