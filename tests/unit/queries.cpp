#include "querymark/database/queries.hpp"

#include <catch2/catch.hpp>

#include "unit/read_fixture.hpp"

namespace {

using namespace querymark;
using test::first;
using test::ReadFixture;
using test::value;

struct Counted {
  std::int64_t n;
};

struct Doubled {
  std::int64_t operator()(const Row& row) const { return 2 * row[0].as<std::int64_t>(); }
};

// What an adapter's database is to its readers.
struct Held {
  ReadFixture fixture;
};
class Db final : private Held, public Queries {
 public:
  Db() : Queries(Route(Held::fixture.source, Held::fixture.loader)) {}
  using Held::fixture;
};

}  // namespace

TEST_CASE("queries: a query goes through the cache, with its parameters in order", "[queries]") {
  Db db;
  std::vector<std::string> seen;
  db.fixture.loader.on_load = [&](std::span<const ParameterView> parameters) {
    for (const ParameterView parameter : parameters)
      seen.push_back(parameter.has_bytes() ? std::string(parameter.as_view())
                                           : std::to_string(parameter.as_int64()));
    return LoadedRows{test::number(7), std::nullopt, Stored::yes};
  };
  const Result miss = db.query("select n where a = ? and b = ?", "x", 5).fetch();
  CHECK(miss[0]["n"].as<int>() == 7);
  CHECK(seen == std::vector<std::string>{"x", "5"});
  CHECK(db.fixture.loader.last_sql == "select n where a = ? and b = ?");
  CHECK(db.query("select n where a = ? and b = ?", "x", 5).fetch().outcome().is_hit());
  CHECK_FALSE(db.query("select n where a = ? and b = ?", "x", 6).fetch().outcome().is_hit());
  CHECK(db.fixture.loader.loads == 2);
}

TEST_CASE("queries: prepared queries come as rows, as objects and as a mapper makes them",
          "[queries]") {
  Db db;
  db.fixture.loader.value = 21;
  const auto rows = db.prepare("select n");
  const Result untyped = rows();
  CHECK(untyped[0]["n"].as<int>() == 21);
  const auto objects = db.prepare<Counted>("select n");
  CHECK(first(objects()).n == 21);
  const auto mapped = db.prepare<std::int64_t>("select n", Doubled{});
  CHECK(first(mapped()) == 42);
  CHECK(db.fixture.loader.loads == 3);  // what is stored differs
  CHECK(rows().outcome().is_hit());
  CHECK(objects().outcome().is_hit());
  CHECK(mapped().outcome().is_hit());
  CHECK(rows.key() == objects.key());  // but they are one query to an intent
}

TEST_CASE("queries: a named value is made stale by the database's log", "[queries]") {
  Db db;
  int loads = 0;
  const auto get = [&] {
    return value(db.get_or_load<int>("prices", {.tags = {tag("a")}}, [&] { return ++loads; }));
  };
  CHECK(get() == 1);
  CHECK(get() == 1);
  db.fixture.invalidate(tag("a"));
  CHECK(get() == 2);
}
