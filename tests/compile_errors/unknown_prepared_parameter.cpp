// expect: ParameterTraits
#include "preamble.hpp"

void fetch(querymark::Queries& db, user::Money money) {
  const auto query = db.prepare("select 1 where total = ?");
  (void)query(money);  // here
}
