// expect: a mapper takes a querymark::Row and returns what the query is asked for
#include "preamble.hpp"

void fetch(querymark::Queries& db) {
  const auto mapper = [](int column) { return std::to_string(column); };
  (void)db.prepare<std::string>("select name from orders", mapper);  // here
}
