// One suite over every implementation of the port LogClaims.

#include <catch2/catch.hpp>

#include "logs.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

TEMPLATE_TEST_CASE("outbox: a new consumer starts with a flush, then gets segments", "[log]",
                   QUERYMARK_LOGS) {
  TestType log;
  log.write(batch({tag("a")}));
  const ClaimResult first = log.claims().claim("tier", "me", 30s);
  REQUIRE(first.status == ClaimStatus::claimed);
  CHECK(first.claim.flush_first);
  REQUIRE(log.claims().finish(first.claim));
  CHECK(log.claims().claim("tier", "me", 30s).status == ClaimStatus::nothing_new);
  log.write(batch({tag("b"), tag("c")}));
  const ClaimResult second = log.claims().claim("tier", "me", 30s);
  REQUIRE(second.status == ClaimStatus::claimed);
  CHECK_FALSE(second.claim.flush_first);
  TailRequest request = after(second.claim.from);
  request.upto = second.claim.upto;
  CHECK(log.reader().read(request).rows.size() == 2);
  CHECK(log.claims().finish(second.claim));
}

TEMPLATE_TEST_CASE("outbox: a lease keeps others out until it ends or is released", "[log]",
                   QUERYMARK_LOGS) {
  TestType log;
  const ClaimResult mine = log.claims().claim("tier", "me", 30s);
  REQUIRE(mine.status == ClaimStatus::claimed);
  CHECK(log.claims().claim("tier", "you", 30s).status == ClaimStatus::held_elsewhere);
  CHECK(log.claims().claim("other tier", "you", 30s).status == ClaimStatus::claimed);
  log.claims().release("tier", "you");  // not the owner: no effect
  CHECK(log.claims().claim("tier", "you", 30s).status == ClaimStatus::held_elsewhere);
  log.claims().release("tier", "me");
  CHECK(log.claims().claim("tier", "you", 30s).status == ClaimStatus::claimed);
}

TEMPLATE_TEST_CASE("outbox: a fenced owner changes nothing", "[log]", QUERYMARK_LOGS) {
  TestType log;
  const ClaimResult late = log.claims().claim("tier", "late", 0ms);  // its lease has ended at once
  REQUIRE(late.status == ClaimStatus::claimed);
  log.write(batch({tag("a")}));
  const ClaimResult now = log.claims().claim("tier", "new", 30s);
  REQUIRE(now.status == ClaimStatus::claimed);
  CHECK_FALSE(log.claims().renew(late.claim, 30s));
  CHECK_FALSE(log.claims().finish(late.claim));
  CHECK(log.claims().renew(now.claim, 30s));
  CHECK(log.claims().finish(now.claim));
}

TEMPLATE_TEST_CASE("outbox: a consumer whose rows were pruned starts with a flush again", "[log]",
                   QUERYMARK_LOGS) {
  TestType log;
  log.write(batch({tag("a")}));
  const ClaimResult first = log.claims().claim("tier", "me", 30s);
  REQUIRE(log.claims().finish(first.claim));
  log.write(batch({tag("b")}));
  const Receipt kept = log.write(batch({tag("c")}));
  log.prune(kept.position);
  const ClaimResult next = log.claims().claim("tier", "me", 30s);
  REQUIRE(next.status == ClaimStatus::claimed);
  CHECK(next.claim.flush_first);
}

TEMPLATE_TEST_CASE("outbox: a consumer of another epoch starts with a flush again", "[log]",
                   QUERYMARK_LOGS) {
  TestType log;
  log.write(batch({tag("a")}));
  const ClaimResult first = log.claims().claim("tier", "me", 30s);
  REQUIRE(log.claims().finish(first.claim));
  log.lose_history();
  const ClaimResult next = log.claims().claim("tier", "me", 30s);
  REQUIRE(next.status == ClaimStatus::claimed);
  CHECK(next.claim.flush_first);
  CHECK(next.claim.upto.epoch != first.claim.upto.epoch);
}
