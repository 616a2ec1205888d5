// What is left of a database that is no more says so, instead of reading what others have in its
// place.

#include <catch2/catch.hpp>

#include "querymark/database/queries.hpp"
#include "support/death.hpp"
#include "unit/read_fixture.hpp"

namespace {

using namespace querymark;
using Catch::Matchers::Contains;
using test::Death;
using test::death_of;
using test::ReadFixture;

struct Db final : public Queries {
  explicit Db(ReadFixture& fixture) : Queries(Route(fixture.source, fixture.loader)) {}
};

}  // namespace

TEST_CASE("dead database: a query that is used after it ends the process with a message",
          "[queries]") {
  const Death death = death_of([] {
    auto fixture = std::make_unique<ReadFixture>();
    Db db(*fixture);
    const Query query = db.query("select price from product");
    static_cast<void>(query.fetch());
    fixture.reset();
    static_cast<void>(query.fetch());
  });
  CHECK(death.signal == SIGABRT);
  CHECK_THAT(death.said, Contains("\"select price from product\"") &&
                             Contains("was used after its database was destroyed"));
}

TEST_CASE("dead database: so does a prepared one, also where it would be a hit", "[queries]") {
  const Death death = death_of([] {
    auto fixture = std::make_unique<ReadFixture>();
    Db db(*fixture);
    const auto prepared = db.prepare("select '" + std::string(5000, 'x') + "'");
    static_cast<void>(prepared());
    fixture.reset();
    ReadFixture another;  // may stand at the same place
    static_cast<void>(prepared());
  });
  CHECK(death.signal == SIGABRT);
  CHECK_THAT(death.said, Contains("xxx...\" was used after its database was destroyed"));
  CHECK(death.said.size() < 400);
}

TEST_CASE("dead database: what only outlives it without being used is let be", "[queries]") {
  const Death death = death_of([] {
    auto fixture = std::make_unique<ReadFixture>();
    Db db(*fixture);
    const auto prepared = db.prepare("select 1");
    const Query query = db.query("select 2");
    static_cast<void>(prepared());
    fixture.reset();
    const auto copy = prepared;
  });
  CHECK(death.signal == 0);
  CHECK(death.said.empty());
}
