// expect: specialise querymark::FieldTraits for it
#include "preamble.hpp"

void fetch(querymark::Queries& db) {
  (void)db.query("select total from orders").fetch_value<user::Order>();  // here
}
