// expect: specialise querymark::FieldTraits for it, or pass a mapper
#include "preamble.hpp"

void fetch(querymark::Queries& db) {
  (void)db.query("select total from orders").fetch_as<user::Money>();  // here
}
