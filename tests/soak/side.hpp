#pragma once

// The agents are built once for each database; this is what the other files of an agent see of the one
// that theirs is for.
#ifdef QUERYMARK_SOAK_POSTGRES
#include "querymark/postgres/postgres.hpp"
#else
#include "querymark/sqlite/sqlite.hpp"
#endif

namespace querymark::test::soak {

#ifdef QUERYMARK_SOAK_POSTGRES
using Database = postgres::Database;
/// The values of many rows at once, for `prepare_many`: key, id, value.
inline constexpr const char* kValues =
    "select k.ordinality, i.id, i.v from unnest($1::int8[]) with ordinality as k(key, ordinality) "
    "join item i on i.id = k.key";
#else
using Database = sqlite::Database;
inline constexpr const char* kValues =
    "select k.key, i.id, i.v from json_each($1) k join item i on i.id = k.value";
#endif

struct Setup;
[[nodiscard]] std::unique_ptr<Database> open(const Setup& setup, Cache& cache);

}  // namespace querymark::test::soak
