// expect: specialise querymark::FieldTraits
#include "preamble.hpp"

void fetch(querymark::Queries& db) {
  (void)db.query("select id, grade from pupil").fetch_as<user::Graded>();  // here
}
