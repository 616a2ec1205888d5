// expect: a mapper with state could map one key in two ways
#include "preamble.hpp"

void fetch(querymark::Queries& db, std::int64_t offset) {
  const auto mapper = [offset](const querymark::Row& row) {
    return row[0].as<std::int64_t>() + offset;
  };
  (void)db.query("select id from orders").fetch_as<std::int64_t>(mapper);  // here
}
