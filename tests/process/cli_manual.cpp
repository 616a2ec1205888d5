// What describes the program is made by itself, and is of use where it is installed.

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "support/child.hpp"
#include "support/temp_dir.hpp"

using namespace querymark::test;
using Catch::Matchers::Contains;

namespace {

const std::string kProgram = QUERYMARK_PROGRAM;

std::string described(const std::string& form) {
  const Finished done = run({kProgram, "describe", form});
  REQUIRE(done.code == 0);
  return done.output;
}

}  // namespace

TEST_CASE("manual: the page tells every command and option", "[manual]") {
  const std::string page = described("man");
  CHECK(page.starts_with(".TH QUERYMARK 1"));
  CHECK_THAT(page, Contains("\\-\\-version") && Contains(".SS querymark dead retry") &&
                       Contains("\\-\\-largest\\-ttl") && Contains("Exit codes: 0 success") &&
                       !Contains("describe"));
  CHECK_THAT(run({kProgram, "--help"}).output, !Contains("describe"));
  CHECK(run({kProgram, "describe", "pdf"}).code == 2);
}

TEST_CASE("manual: bash completes commands, commands within them, and their options", "[manual]") {
  const TempDir dir;
  std::ofstream(dir.file("completion")) << described("bash");
  const auto complete = [&](const std::string& words, int at) {
    return run({"/bin/bash", "-c",
                "source " + dir.file("completion") + "; COMP_WORDS=(" + words +
                    "); COMP_CWORD=" + std::to_string(at) + "; _querymark; echo ${COMPREPLY[@]}"})
        .output;
  };
  CHECK(complete("querymark wor", 1) == "worker\n");
  CHECK(complete("querymark dead ''", 2).starts_with("list show retry discard"));
  CHECK_THAT(complete("querymark dead list --li", 3), Contains("--limit"));
  CHECK_THAT(complete("querymark worker --db x --no", 4), Contains("--no-prune"));
  CHECK(complete("querymark nonsense ''", 2) != "\n");
}

TEST_CASE("manual: the other shells' completions name the same", "[manual]") {
  for (const char* form : {"zsh", "fish"})
    CHECK_THAT(described(form),
               Contains("discard") && Contains("largest-ttl") && !Contains("describe"));
}

TEST_CASE("manual: the example of a configuration is one", "[manual]") {
  std::ifstream file(QUERYMARK_EXAMPLE_CONFIG);
  std::stringstream text;
  text << file.rdbuf();
  const TempDir dir;
  std::string config = text.str();
  const auto replace = [&](const std::string& from, const std::string& to) {
    REQUIRE(config.find(from) != std::string::npos);
    config.replace(config.find(from), from.size(), to);
  };
  replace("postgresql:///shop", "sqlite:" + dir.file("shop.db"));
  replace("sqlite:/var/lib/querymark/tier", "sqlite:" + dir.file("tier"));
  std::ofstream(dir.file("worker.toml")) << config;
  REQUIRE(run({kProgram, "migrate", "--db", "sqlite:" + dir.file("shop.db")}).code == 0);
  CHECK(run({kProgram, "worker", "--once", "--config", dir.file("worker.toml")}).code == 0);
}
