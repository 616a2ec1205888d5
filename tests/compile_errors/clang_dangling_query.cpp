// expect: -Wdangling
#include "preamble.hpp"

#pragma clang diagnostic error "-Wdangling"

querymark::Result fetch(querymark::Queries& db) {
  const auto&& query = db.query("select 1").ttl(std::chrono::minutes(5));  // here
  return query.fetch();
}
