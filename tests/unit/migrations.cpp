#include "querymark/support/migrations.hpp"

#include <array>
#include <catch2/catch.hpp>

#include "querymark/support/error.hpp"

namespace {

using namespace querymark;
using Catch::Matchers::Contains;

constexpr std::string_view kFirst = "-- one\nbegin;\n\ncreate table a;\n\ncommit;\n";
constexpr std::string_view kSecond = "-- two\nbegin;\nalter table a;\ncommit;\n-- the end\n";

constexpr std::array kMigrations{Migration{1, "0001_a.sql", kFirst},
                                 Migration{2, "0002_b.sql", kSecond}};

// A database that counts its version up with each body that is run.
struct Fixture {
  int version = 0;
  int looks = 0;
  int faster = 0;  // migrations that somebody else runs while ours waits for the lock
  std::vector<std::string> bodies;

  [[nodiscard]] MigrationPort port() {
    return {.label = "db/shop",
            .url = "sqlite:shop",
            .begin = "begin;",
            .find_version =
                [this] {
                  ++looks;
                  return version;
                },
            .run =
                [this](const std::string& body, const std::function<bool()>& proceed) {
                  version += std::exchange(faster, 0);
                  if (!proceed()) return false;
                  bodies.push_back(body);
                  ++version;
                  return true;
                }};
  }
  MigrationReport run(bool dry = false) { return run_migrations(kMigrations, port(), dry); }
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("migrations: what is missing is run in order, without its own transaction",
          "[migrations]") {
  Fixture f;
  const MigrationReport report = f.run();
  CHECK(report.from == 0);
  CHECK(report.to == 2);
  CHECK(report.applied == Names{"0001_a.sql", "0002_b.sql"});
  REQUIRE(f.bodies.size() == 2);
  CHECK(f.bodies[0] == "-- one\n\ncreate table a;\n\n");
  CHECK(f.bodies[1] == "-- two\nalter table a;\n-- the end\n");
  CHECK(f.run().applied.empty());
  CHECK(f.bodies.size() == 2);
}

TEST_CASE("migrations: a schema on the way is brought to the end", "[migrations]") {
  Fixture f;
  f.version = 1;
  const MigrationReport report = f.run();
  CHECK(report.from == 1);
  CHECK(report.applied == Names{"0002_b.sql"});
  CHECK(f.version == 2);
}

TEST_CASE("migrations: a dry run only reports", "[migrations]") {
  Fixture f;
  CHECK(f.run(true).applied == Names{"0001_a.sql", "0002_b.sql"});
  CHECK(f.bodies.empty());
  CHECK(f.version == 0);
  f.version = 1;
  CHECK(f.run(true).applied == Names{"0002_b.sql"});
}

TEST_CASE("migrations: what another process has run meanwhile is not run again", "[migrations]") {
  Fixture f;
  f.faster = 1;
  CHECK(f.run().applied == Names{"0002_b.sql"});
  CHECK(f.bodies.size() == 1);
  CHECK(f.version == 2);
  Fixture both;
  both.faster = 2;
  CHECK(both.run().applied.empty());
  CHECK(both.bodies.empty());
}

TEST_CASE("migrations: a newer schema is refused before anything runs", "[migrations]") {
  Fixture f;
  f.version = 3;
  CHECK_THROWS_AS(f.run(), SchemaError);
  CHECK_THROWS_WITH(f.run(), Contains("db/shop has querymark schema 3, newer than this program's "
                                      "2; upgrade the program"));
  CHECK(f.bodies.empty());
}

TEST_CASE("migrations: a file without its own transaction is refused", "[migrations]") {
  for (const std::string_view text :
       {"create table a;\ncommit;\n", "-- x\nbegin;\ncreate table a;\n", "", "begin; commit;"}) {
    Fixture f;
    const std::array broken{Migration{1, "0001_broken.sql", text}};
    CHECK_THROWS_WITH(run_migrations(broken, f.port(), false), Contains("0001_broken.sql"));
    CHECK(f.bodies.empty());
  }
}

TEST_CASE("migrations: the error names both versions and the command that mends it",
          "[migrations]") {
  Fixture f;
  CHECK_THROWS_WITH(fail_schema(f.port(), 0, 2),
                    "db/shop has no querymark schema, this program needs 2; run: querymark migrate "
                    "--db sqlite:shop");
  CHECK_THROWS_WITH(fail_schema(f.port(), 1, 2),
                    Contains("has querymark schema 1, this program needs 2; run: querymark"));
  CHECK_THROWS_AS(fail_schema(f.port(), 5, 2), SchemaError);
}
