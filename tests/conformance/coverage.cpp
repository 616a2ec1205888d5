// How far shared targets are, as waits ask, on all implementations.

#include <catch2/catch.hpp>

#include "logs.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

constexpr Position kAll{~std::uint64_t{0}};

// A consumer of its own name that is past its first flush.
template <class Log>
struct Consumed {
  Log log;

  Consumed() {
    ClaimResult first = log.claims().claim("tier", "me", 30s);
    REQUIRE(log.claims().finish(first.claim));
  }
  Claim claim() {
    ClaimResult result = log.claims().claim("tier", "me", 30s);
    REQUIRE(result.status == ClaimStatus::claimed);
    return result.claim;
  }
  // Moves the cursor over what is new, and leaves this behind.
  Claim leave(const Target& target, Position first, Position last,
              DeliveryState state = DeliveryState::pending) {
    const Claim held = claim();
    REQUIRE(log.deliveries().record(held,
                                    {.cursor = held.upto,
                                     .left = {{.target = target,
                                               .first_position = first,
                                               .position = last,
                                               .state = state,
                                               .pause = 0ms,
                                               .error = "no"}},
                                     .applied = {},
                                     .lifetime = 24h},
                                    OnDeath::flush));
    return held;
  }
  std::vector<ConsumerCoverage> consumers() { return log.coverage().coverage({}, kAll).consumers; }
  Covered at(const Receipt& receipt) {
    const auto found = log.coverage().coverage(receipt.position, receipt.position);
    REQUIRE(found.consumers.size() == 1);
    return covered(found.consumers[0], receipt.epoch, receipt.position);
  }
};

}  // namespace

TEMPLATE_TEST_CASE("coverage: without consumers there is where the log stands", "[coverage]",
                   QUERYMARK_LOGS) {
  TestType log;
  const Receipt receipt = log.write(batch({tag("a")}));
  const LogCoverage found = log.coverage().coverage(receipt.position, receipt.position);
  CHECK(found.consumers.empty());
  CHECK(found.end.epoch == receipt.epoch);
  CHECK(found.end.snapshot.covers(receipt.position));
}

TEMPLATE_TEST_CASE("coverage: consumers by name, and how far each has come", "[coverage]",
                   QUERYMARK_LOGS) {
  Consumed<TestType> of;
  const Receipt receipt = of.log.write(batch({tag("a")}));
  CHECK(of.at(receipt) == Covered::not_yet);
  REQUIRE(of.log.claims().finish(of.claim()));
  CHECK(of.at(receipt) == Covered::yes);
  static_cast<void>(of.log.claims().claim("another", "me", 30s));  // which has applied nothing
  const auto consumers = of.consumers();
  REQUIRE(consumers.size() == 2);
  CHECK(consumers[0].name == "another");
  CHECK(covered(consumers[0], receipt.epoch, receipt.position) == Covered::not_yet);
  CHECK(consumers[1].name == "tier");
  CHECK(consumers[1].gaps.empty());
}

TEMPLATE_TEST_CASE("coverage: a delivery keeps its positions open until it succeeds", "[coverage]",
                   QUERYMARK_LOGS) {
  Consumed<TestType> of;
  const Receipt first = of.log.write(batch({tag("a")}));
  const Receipt between = of.log.write(batch({tag("b")}));
  const Receipt last = of.log.write(batch({tag("a")}));
  const Receipt after = of.log.write(batch({tag("c")}));
  const Claim held = of.leave(tag("a"), first.position, last.position);
  CHECK(of.at(first) == Covered::not_yet);
  CHECK(of.at(between) == Covered::not_yet);
  CHECK(of.at(last) == Covered::not_yet);
  CHECK(of.at(after) == Covered::yes);
  auto taken = of.log.deliveries().take_due(held, 10);
  REQUIRE((taken && taken->size() == 1));
  CHECK(of.at(first) == Covered::not_yet);
  const Settled applied{.id = taken->front().record().id, .as = Settled::As::applied};
  REQUIRE(of.log.deliveries().settle(held, {&applied, 1}, OnDeath::flush));
  CHECK(of.at(first) == Covered::yes);
}

TEMPLATE_TEST_CASE("coverage: a newer success supersedes what waits", "[coverage]",
                   QUERYMARK_LOGS) {
  Consumed<TestType> of;
  const Receipt old = of.log.write(batch({tag("a")}));
  of.leave(tag("a"), old.position, old.position);
  const Receipt newer = of.log.write(batch({tag("a")}));
  const Claim held = of.claim();
  const SharedInvalidation applied{tag("a"), newer.position, newer.position};
  REQUIRE(of.log.deliveries().record(
      held, {.cursor = held.upto, .left = {}, .applied = {&applied, 1}, .lifetime = 24h},
      OnDeath::flush));
  CHECK(of.at(old) == Covered::yes);
}

TEMPLATE_TEST_CASE(
    "coverage: what has died waits for its flush, and is never a success, discarded or not (hard "
    "cases 51 and 52)",
    "[coverage]", QUERYMARK_LOGS) {
  Consumed<TestType> of;
  const Receipt written = of.log.write(batch({tag("a")}));
  of.leave(tag("a"), written.position, written.position, DeliveryState::dead);
  CHECK(of.at(written) == Covered::not_yet);
  const Claim paying = of.claim();
  REQUIRE(paying.flush_owed);
  REQUIRE(of.log.deliveries().pay_flush(paying, *paying.flush_owed));
  CHECK(of.at(written) == Covered::never);
  const auto rows = of.log.deliveries().list({.consumer = "tier"});
  REQUIRE(rows.size() == 1);
  const SeenDelivery seen{.id = rows[0].record.id, .state = rows[0].state};
  REQUIRE(of.log.deliveries().decide({&seen, 1}, Decision::discard).size() == 1);
  CHECK(of.at(written) == Covered::never);
}

TEMPLATE_TEST_CASE("coverage: what is not asked for is not listed", "[coverage]", QUERYMARK_LOGS) {
  Consumed<TestType> of;
  const Receipt first = of.log.write(batch({tag("a")}));
  const Receipt second = of.log.write(batch({tag("b")}));
  of.leave(tag("a"), first.position, first.position);
  const auto gaps_of = [&](Position from, Position to) {
    return of.log.coverage().coverage(from, to).consumers.at(0).gaps.size();
  };
  CHECK(gaps_of(first.position, second.position) == 1);
  CHECK(gaps_of(second.position, second.position) == 0);
  CHECK(gaps_of({}, {first.position.value - 1}) == 0);
  CHECK(gaps_of(kAll, kAll) == 0);
}

TEMPLATE_TEST_CASE("coverage: a consumer of another epoch covers nothing of this one", "[coverage]",
                   QUERYMARK_LOGS) {
  Consumed<TestType> of;
  static_cast<void>(of.log.write(batch({tag("a")})));
  REQUIRE(of.log.claims().finish(of.claim()));
  const Epoch before = of.log.coverage().coverage({}, kAll).end.epoch;
  of.log.lose_history();
  static_cast<void>(
      of.log.claims().claim("tier", "me", 30s));  // whoever looks at the log adopts it
  const LogCoverage found = of.log.coverage().coverage({}, kAll);
  CHECK(found.end.epoch != before);
  CHECK(covered(found.consumers.at(0), found.end.epoch, {1}) == Covered::not_yet);
}
