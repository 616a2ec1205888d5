// The executable `querymark` built with one kind of database only: it knows the others' URLs, and
// says what it was built without.

#include <catch2/catch.hpp>
#include <filesystem>

#include "support/child.hpp"
#include "support/temp_dir.hpp"

using namespace querymark;
using namespace querymark::test;
using Catch::Matchers::Contains;

namespace {

const std::string kOnlySqlite = QUERYMARK_ONLY_SQLITE;

}  // namespace

TEST_CASE("cli: a program without PostgreSQL says which option it was built without", "[cli]") {
  const TempDir dir;
  for (const char* url :
       {"postgresql://me:sesame@host/shop", "postgres://host/shop", "host=x password=sesame",
        " user = me password = 'a sesame'", "service=sesame"}) {
    CAPTURE(url);
    const Finished migrate = run({kOnlySqlite, "migrate", "--db", url});
    CHECK(migrate.code == 2);
    CHECK_THAT(migrate.output, Contains("built without PostgreSQL") &&
                                   Contains("-DQUERYMARK_POSTGRES=ON") && !Contains("sesame"));
    const Finished worker = run(
        {kOnlySqlite, "worker", "--db", url, "--target", "sqlite:" + dir.file("tier"), "--once"});
    CHECK(worker.code == 2);
    CHECK_THAT(worker.output, Contains("-DQUERYMARK_POSTGRES=ON") && !Contains("sesame"));
  }
  CHECK_THAT(run({kOnlySqlite, "migrate", "--db", "mysql://host/x"}).output,
             Contains("unknown URL scheme \"mysql:\"; use sqlite:PATH") && !Contains("postgresql"));
  CHECK(std::filesystem::is_empty(dir.path()));
}

TEST_CASE("cli: a program without PostgreSQL does all of its work on SQLite", "[cli]") {
  const TempDir dir;
  const std::string url = "sqlite:" + dir.file("shop.db");
  CHECK(run({kOnlySqlite, "migrate", "--db", url}).code == 0);
  const Finished worker =
      run({kOnlySqlite, "worker", "--db", url, "--target", "sqlite:" + dir.file("tier"), "--once"});
  CHECK(worker.code == 0);
  CHECK_THAT(worker.output, Contains("flushed"));
}

#ifdef QUERYMARK_ONLY_POSTGRES
TEST_CASE("cli: a program without SQLite says which option it was built without", "[cli]") {
  const std::string program = QUERYMARK_ONLY_POSTGRES;
  const TempDir dir;
  const Finished migrate = run({program, "migrate", "--db", "sqlite:" + dir.file("shop.db")});
  CHECK(migrate.code == 2);
  CHECK_THAT(migrate.output, Contains("built without SQLite") && Contains("-DQUERYMARK_SQLITE=ON"));
  const Finished target = run({program, "worker", "--db", "postgresql://127.0.0.1:1/none",
                               "--target", "sqlite:" + dir.file("tier"), "--once"});
  CHECK(target.code == 2);
  CHECK_THAT(target.output, Contains("-DQUERYMARK_SQLITE=ON"));
  CHECK_THAT(run({program, "migrate", "--db", "mysql://host/x"}).output,
             Contains("use postgresql://USER@HOST/DATABASE") && !Contains("sqlite"));
  CHECK_THAT(
      run({program, "worker", "--db", "postgresql://127.0.0.1:1/none", "--target", "x:y"}).output,
      Contains("built without any"));
  CHECK(run({program, "migrate", "--db", "postgresql://me:sesame@127.0.0.1:1/none"}).code == 3);
  CHECK(std::filesystem::is_empty(dir.path()));
}
#endif
