// What the executable `querymark` says when it is called wrongly, and what it never shows.

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "support/child.hpp"
#include "support/temp_dir.hpp"

using namespace querymark;
using namespace querymark::test;
using Catch::Matchers::Contains;

namespace {

const std::string kProgram = QUERYMARK_PROGRAM;

}  // namespace

TEST_CASE("cli: an unknown command is named with what it may have been", "[cli]") {
  CHECK_THAT(run({kProgram, "quux"}).output,
             Contains("unknown command quux; did you mean migrate or worker"));
  CHECK_THAT(run({kProgram, "wroker", "--once"}).output,
             Contains("unknown command wroker; did you mean worker?"));
  CHECK_THAT(run({kProgram, "mig"}).output, Contains("did you mean migrate?"));
  CHECK(run({kProgram, "foo"}).code == 2);
}

TEST_CASE("cli: an unknown option is named with what it may have been", "[cli]") {
  const Finished unknown = run({kProgram, "worker", "--tagret", "sqlite:tier", "--once"});
  CHECK(unknown.code == 2);
  CHECK_THAT(unknown.output, Contains("unknown option --tagret; did you mean --target?"));
  CHECK_THAT(run({kProgram, "migrate", "-db", "sqlite:x"}).output,
             Contains("unknown option -db; did you mean --db?"));
  CHECK_THAT(run({kProgram, "migrate", "--dryrun=sesame"}).output,
             Contains("unknown option --dryrun; did you mean --dry-run?") && !Contains("sesame"));
  CHECK_THAT(run({kProgram, "--versoin"}).output, Contains("did you mean --version?"));
  CHECK_THAT(
      run({kProgram, "worker", "--lease-ms", "-5", "--db", "sqlite:x", "--target", "y"}).output,
      Contains("--lease-ms"));
}

TEST_CASE("cli: a number out of bounds is refused, not taken for the greatest", "[cli]") {
  const TempDir dir;
  const std::string url = "sqlite:" + dir.file("a.db");
  REQUIRE(run({kProgram, "migrate", "--db", url}).code == 0);
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"dead", "list", "--limit", "-1"},
        {"dead", "list", "--after", "-1"},
        {"dead", "show", "-1"},
        {"top", "--rounds", "-1"},
        {"prune", "--most-rows", "-5"},
        {"prune", "--most-rows", "18446744073709551616"},
        {"dead", "show", "99999999999999999999"},
        {"advise", "--most", "-2", "select 1"}}) {
    std::vector<std::string> command{kProgram};
    command.insert(command.end(), words.begin(), words.end());
    command.insert(command.end(), {"--db", url});
    CAPTURE(words);
    const Finished refused = run(command);
    CHECK(refused.code == 2);
    CHECK_THAT(refused.output, Contains("is below zero") || Contains("is too large"));
  }
}

TEST_CASE("cli: each command has --help and --json, and tells the exit codes", "[cli]") {
  for (const char* command : {"migrate", "worker", "invalidate", "wait"}) {
    const Finished help = run({kProgram, command, "--help"});
    CHECK(help.code == 0);
    CHECK_THAT(help.output, Contains("--help") && Contains("--json") && Contains("Exit codes: 0"));
  }
  CHECK_THAT(run({kProgram, "--help"}).output, Contains("Exit codes: 0"));
}

TEST_CASE("cli: commands within a command are known, too", "[cli]") {
  CHECK(run({kProgram, "dead"}).code == 2);
  CHECK_THAT(run({kProgram, "dead", "lsit"}).output,
             Contains("unknown command dead lsit; did you mean list?"));
  CHECK_THAT(run({kProgram, "dead", "list", "--limti", "3"}).output,
             Contains("did you mean --limit?"));
  for (const char* group : {"dead", "delivery"})
    for (const char* command : {"list", "show", "retry"}) {
      const Finished help = run({kProgram, group, command, "--help"});
      CHECK(help.code == 0);
      CHECK_THAT(help.output, Contains("--json") && Contains("Exit codes: 0"));
    }
}

TEST_CASE("cli: memcached servers need no worker, and hold no log", "[cli]") {
  const TempDir dir;
  const std::string servers = "memcached://me:11211,you:11211";
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"worker", "--db", "sqlite:" + dir.file("shop"), "--target",
                                 servers},
        {"migrate", "--db", servers}}) {
    std::vector<std::string> command{kProgram};
    command.insert(command.end(), arguments.begin(), arguments.end());
    const Finished refused = run(command);
    CHECK(refused.code == 2);
    CHECK_THAT(refused.output, Contains("need no worker"));
  }
}

TEST_CASE("cli: a database is not made from what was meant for something else", "[cli]") {
  const TempDir dir;
  const auto in_dir = [&](const std::string& db) {
    return run(
        {"/bin/sh", "-c",
         "cd " + dir.path().string() + " && exec " + kProgram + " migrate --db '" + db + "'"});
  };
  const Finished unknown = in_dir("mysql://root:sesame@host/x");
  CHECK(unknown.code == 2);
  CHECK_THAT(unknown.output, Contains("unknown URL scheme \"mysql:\"") && Contains("sqlite:PATH") &&
                                 !Contains("sesame"));
  const Finished bare = in_dir("shop");
  CHECK(bare.code == 2);
  CHECK_THAT(bare.output, Contains("\"shop\" has no scheme") && Contains("sqlite:PATH"));
  CHECK_THAT(in_dir("me@sesame").output, Contains("no scheme") && !Contains("sesame"));
  CHECK_THAT(in_dir("").output, Contains("no database is named"));
  CHECK_THAT(in_dir("sqlite:shop.db?mode=ro").output, Contains("takes no options"));
  CHECK_THAT(in_dir("file:shop.db").output, Contains("unknown URL scheme \"file:\""));
  for (const char* meant :
       {"sqlite:postgresql://me:sesame@host/db", "sqlite://me:sesame@host/db",
        "sqlite:host=x password=sesame", "p@ss:sesame", "hots=x password=sesame",
        "me:sesame@host/db", "postgresql:me:sesame@host/db", "postgres//me:sesame@host/db",
        "'\"'\"'host=x password=sesame'\"'\"'"}) {
    CAPTURE(meant);
    const Finished refused = in_dir(meant);
    CHECK(refused.code == 2);
    CHECK_THAT(refused.output, Contains("sqlite:PATH") && !Contains("sesame"));
  }
  CHECK(std::filesystem::is_empty(dir.path()));
  CHECK(in_dir("sqlite:shop").code == 0);
  CHECK_THAT(in_dir("shop").output, Contains("nothing to do"));
  CHECK_THAT(
      run({kProgram, "worker", "--db", "sqlite:" + dir.file("shop"), "--target", "tier"}).output,
      Contains("\"tier\" has no scheme") && Contains("sqlite:PATH of a file tier"));
}

TEST_CASE("cli: the database's name comes from an option, a file or the environment", "[cli]") {
  const TempDir dir;
  const std::string file = dir.file("name");
  std::ofstream(file) << "  sqlite:" << dir.file("a.db") << "\r\nsqlite:ignored\n";
  CHECK(run({kProgram, "migrate", "--db-file", file}).code == 0);
  CHECK(std::filesystem::exists(dir.file("a.db")));
  ::setenv("QUERYMARK_DB", ("sqlite:" + dir.file("b.db") + '\n').c_str(), 1);
  CHECK_THAT(run({kProgram, "migrate"}).output, Contains("b.db"));
  CHECK_THAT(run({kProgram, "migrate", "--db-file", file}).output, Contains("a.db"));
  ::unsetenv("QUERYMARK_DB");
  const Finished none = run({kProgram, "migrate"});
  CHECK(none.code == 2);
  CHECK_THAT(none.output, Contains("--db-file") && Contains("QUERYMARK_DB"));
  CHECK(run({kProgram, "migrate", "--db-file", dir.file("none")}).code == 2);
  std::ofstream(dir.file("empty")) << "\n";
  CHECK_THAT(run({kProgram, "migrate", "--db-file", dir.file("empty")}).output, Contains("empty"));
  CHECK_THAT(run({kProgram, "migrate", "--db-file", dir.path()}).output, Contains("can't read"));
  std::ofstream(dir.file("long")) << std::string(100'000, 'x');
  CHECK_THAT(run({kProgram, "migrate", "--db-file", dir.file("long")}).output,
             Contains("too long") && !Contains("xxx"));
  CHECK(run({kProgram, "migrate", "--db", "sqlite:x", "--db-file", file}).code == 2);
  CHECK_THAT(run({kProgram, "migrate", "--help"}).output,
             Contains("QUERYMARK_DB") && Contains("PGPASSWORD") && Contains(".pgpass"));
}

TEST_CASE("cli: what was typed is quoted without its passwords", "[cli]") {
  for (const char* typed :
       {"postgresql://me:sesame@host/db", "postgresql://me:ses@me:sesame@host/db",
        "host=x password=sesame", "host=x PASSWORD='a sesame' user=y", "mysql://a:b/sesame@x"}) {
    CAPTURE(typed);
    CHECK_THAT(run({kProgram, "migrate", typed}).output,
               Contains("not expected") && !Contains("sesame"));
    CHECK_THAT(run({kProgram, typed}).output, Contains("unknown command") && !Contains("sesame"));
    CHECK_THAT(run({kProgram, "worker", "--lease-ms", typed}).output, !Contains("sesame"));
  }
}
