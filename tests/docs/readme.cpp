// What README.md tells to type fits together: its worker drains what its example writes.

#include <catch2/catch.hpp>
#include <filesystem>

#include "blocks.hpp"
#include "support/child.hpp"
#include "support/temp_dir.hpp"

using namespace querymark::test;
using Catch::Matchers::Contains;

namespace {

// The README's lines for the shell that start the worker, which is to end once it has drained.
std::string worker_lines() {
  for (std::string block : blocks_of(QUERYMARK_ROOT "/README.md", "sh")) {
    while (block.ends_with('\n')) block.pop_back();
    if (block.find("querymark worker") != std::string::npos) return block + " --once";
  }
  throw std::runtime_error("README.md does not say how to start the worker");
}

}  // namespace

TEST_CASE("readme: its worker's lines drain what its example writes", "[docs]") {
  const TempDir dir;
  const std::string programs = std::filesystem::path(QUERYMARK_PROGRAM).parent_path().string();
  const std::vector<std::string> worker = {
      "/bin/bash", "-c",
      "set -e; cd " + dir.path().string() + "; PATH=" + programs + ":$PATH\n" + worker_lines()};
  const Finished registered = run(worker);
  CAPTURE(registered.output);
  REQUIRE(registered.code == 0);
  const Finished example = run({QUERYMARK_QUICKSTART, dir.file("shop.db")});
  CAPTURE(example.output);
  REQUIRE(example.code == 0);
  const Finished drained = run(worker);
  CHECK(drained.code == 0);
  CHECK_THAT(drained.output, Contains("applied=3") && !Contains("other namespaces"));
}
