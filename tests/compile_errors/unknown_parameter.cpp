// expect: ParameterTraits
#include "preamble.hpp"

querymark::Result fetch(querymark::Queries& db, user::Money money) {
  return db.query("select 1 where total = ?", money).fetch();  // here
}
