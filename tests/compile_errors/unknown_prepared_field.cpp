// expect: specialise querymark::FieldTraits for its type
#include "preamble.hpp"

void fetch(querymark::Queries& db) {
  (void)db.prepare<user::Order>("select id, total from orders");  // here
}
