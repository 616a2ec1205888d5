#pragma once

#include <functional>
#include <string>
#include <vector>

#include "rounds.hpp"

namespace querymark::bench {

/// A way to write one row.
struct Writer {
  std::string name;
  std::function<void(std::int64_t)> write;
};

/// A way to write one row many times over, by whatever many threads.
struct ManyWriters {
  std::string name;
  std::function<void(int)> write;
};

/// Measures the writers in turns of `count` writes, microseconds each. The first is what the others
/// are compared with: their "x_plain" is its time over theirs.
void measure_writers(const Options& options, Report& report, const std::vector<Writer>& writers,
                     int count);
void measure_writers(const Options& options, Report& report,
                     const std::vector<ManyWriters>& writers, int count);

/// A write through the library with so many intents.
template <class Database>
[[nodiscard]] std::function<void(std::int64_t)> write_through(Database& database, int intents) {
  return [&database, intents](std::int64_t value) {
    database.write([&](Transaction& tx) {
      tx.execute("update counter set value = $1 where id = 1", value);
      for (int i = 0; i < intents; ++i) tx.invalidate(entity("counter", value, i));
    });
  };
}

/// The subjects on PostgreSQL.
void write_postgres(const Options& options, Report& report);

}  // namespace querymark::bench
