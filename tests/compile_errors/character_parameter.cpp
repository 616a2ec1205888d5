// expect: HasParameterTraits
#include "preamble.hpp"

querymark::Result fetch(querymark::Queries& db, char grade) {
  return db.query("select 1 where grade = ?", grade).fetch();  // here
}
