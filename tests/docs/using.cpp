// What docs/using.md quotes for PostgreSQL runs on a database of its own.

#include <catch2/catch.hpp>

#include "support/child.hpp"
#include "support/postgres_server.hpp"

using namespace querymark::test;

TEST_CASE("using: the guide's program for PostgreSQL does what it says", "[docs]") {
  PostgresServer& server = PostgresServer::shared();
  const Finished done = run({QUERYMARK_GUIDE, server.url(server.create_bare_database())});
  CAPTURE(done.output);
  CHECK(done.code == 0);
}
