// expect: a mapped object must own its text: use std::string
#include "preamble.hpp"

void fetch(querymark::Queries& db) {
  (void)db.query("select name from orders").fetch_as<user::MaybeNamed>();  // here
}
