// expect: specialise querymark::FieldTraits for its type
#include "preamble.hpp"

void fetch(querymark::Queries& db) {
  (void)db.query("select id, total from orders").fetch_as<user::Order>();  // here
}
