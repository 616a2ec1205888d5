#include "statement_cache.hpp"

#include <catch2/catch.hpp>
#include <string>

using querymark::sqlite::PreparedStatement;
using querymark::sqlite::StatementCache;

namespace {

struct Fixture {
  // True when it had to be prepared.
  bool prepares(const std::string& sql) {
    bool prepared = false;
    static_cast<void>(cache.get(sql, [&] {
      prepared = true;
      return PreparedStatement{};
    }));
    return prepared;
  }
  StatementCache cache;
};

}  // namespace

TEST_CASE("statement cache: what was used last stays prepared", "[sqlite]") {
  Fixture fixture;
  for (int i = 0; i < 128; ++i) CHECK(fixture.prepares("select " + std::to_string(i)));
  CHECK_FALSE(fixture.prepares("select 0"));
  CHECK(fixture.prepares("select 128"));
  CHECK_FALSE(fixture.prepares("select 0"));
  CHECK(fixture.prepares("select 1"));  // the one that nobody had used for longest
  CHECK(fixture.cache.size() == 128);
}

TEST_CASE("statement cache: long texts leave, the last two never", "[sqlite]") {
  Fixture fixture;
  const std::string large(200'000, 'x');
  PreparedStatement& first = fixture.cache.get(large + "1", [] { return PreparedStatement{}; });
  first.reads_only = true;
  PreparedStatement& second = fixture.cache.get(large + "2", [] { return PreparedStatement{}; });
  CHECK(first.reads_only);
  CHECK_FALSE(second.reads_only);
  CHECK(fixture.cache.size() == 2);
  CHECK(fixture.prepares("select 1"));
  CHECK(fixture.cache.size() == 2);
  CHECK(fixture.prepares(large + "1"));
  for (int i = 0; i < 100; ++i) fixture.prepares(large + std::to_string(i));
  CHECK(fixture.cache.size() == 2);
}

TEST_CASE("statement cache: a preparation that fails leaves nothing", "[sqlite]") {
  Fixture fixture;
  CHECK_THROWS_AS(fixture.cache.get("select", []() -> PreparedStatement { throw 1; }), int);
  CHECK(fixture.cache.size() == 0);
  CHECK(fixture.prepares("select"));
}
