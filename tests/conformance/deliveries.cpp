// What a database keeps of what did not reach a shared target at once, on all implementations.

#include <catch2/catch.hpp>
#include <thread>

#include "held.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

TEMPLATE_TEST_CASE("deliveries: what is left is recorded with the cursor, and read back whole",
                   "[deliveries]", QUERYMARK_LOGS) {
  Held<TestType> held;
  REQUIRE(held.leave(tag("a", "%:'\"\\")));
  const auto rows = held.rows();
  REQUIRE(rows.size() == 1);
  const DeliveryRecord& record = rows[0].record;
  CHECK(rows[0].state == DeliveryState::pending);
  CHECK(record.target == tag("a", "%:'\"\\"));
  CHECK(record.epoch == held.claim.upto.epoch);
  CHECK(record.first_position == held.written.position);
  CHECK(record.position == held.written.position);
  CHECK(record.attempts == 1);
  CHECK(record.last_error == "it's \"bad\" \xE2\x80\x94 %s");
  CHECK(record.deadline - record.available_at == kDay);
  CHECK(record.available_at >= held.claim.now);
  // The row itself is behind the cursor; what waits makes the claim.
  const Claim next = held.again();
  CHECK(held.log.reader()
            .read({.from = next.from, .upto = next.upto, .after = std::nullopt, .limit = 10})
            .rows.empty());
  CHECK(next.waiting);
  CHECK(next.attempts == 1);
  CHECK_FALSE(next.flush_owed);
}

TEMPLATE_TEST_CASE("deliveries: one is due when its pause is over, and the idle look says when",
                   "[deliveries]", QUERYMARK_LOGS) {
  Held<TestType> held;
  REQUIRE(held.leave(tag("a"), DeliveryState::pending, OnDeath::flush, 10min));
  const ClaimResult idle = held.log.claims().claim("tier", "me", 30s);
  CHECK(idle.status == ClaimStatus::nothing_new);
  REQUIRE(idle.next_due);
  CHECK(*idle.next_due > 9min);
  CHECK(*idle.next_due <= 10min);
  held.log.write(batch({tag("b")}));
  held.claim = held.again();
  const auto taken = held.log.deliveries().take_due(held.claim, 10);
  REQUIRE(taken);
  CHECK(taken->empty());
}

TEMPLATE_TEST_CASE("deliveries: one that waits by a clock that has been put back is due",
                   "[deliveries]", QUERYMARK_LOGS) {
  Held<TestType> held;
  REQUIRE(held.leave(tag("a"), DeliveryState::pending, OnDeath::flush, 1s));
  held.log.put_clock_back(48h);
  const Claim due = held.again();  // the idle look says so
  const auto taken = held.log.deliveries().take_due(due, 10);
  REQUIRE(taken);
  REQUIRE(taken->size() == 1);
  // Its next pause is one by the clock of today.
  const Settled later{
      .id = taken->front().record().id, .as = Settled::As::pending, .pause = 10min, .error = {}};
  REQUIRE(held.log.deliveries().settle(due, {&later, 1}, OnDeath::flush));
  CHECK(held.log.deliveries().take_due(due, 10)->empty());

  // So is it where the segment is gone through row by row.
  held.log.put_clock_back(48h);
  const DeliveryRecord waits = held.rows()[0].record;
  const auto row = held.log.deliveries().take_row(
      due, {*waits.target, waits.position, waits.first_position}, kDay);
  REQUIRE(row);
  CHECK(row->size() == 1);
}

TEMPLATE_TEST_CASE("deliveries: a claimed one counts its attempt, and ends as it is settled",
                   "[deliveries]", QUERYMARK_LOGS) {
  Held<TestType> held;
  REQUIRE(held.leave(tag("a")));
  held.claim = held.again();
  auto taken = held.log.deliveries().take_due(held.claim, 10);
  REQUIRE(taken);
  REQUIRE(taken->size() == 1);
  CHECK(taken->front().record().attempts == 2);
  CHECK(taken->front().record().target == tag("a"));
  CHECK(held.rows()[0].state == DeliveryState::claimed);
  CHECK(held.log.deliveries().take_due(held.claim, 10)->empty());  // nobody takes it twice

  const std::uint64_t id = taken->front().record().id;
  const auto settle = [&](Settled outcome) {
    outcome.id = id;
    return held.log.deliveries().settle(held.claim, {&outcome, 1}, OnDeath::flush);
  };
  REQUIRE(settle({.as = Settled::As::unclaimed}));
  CHECK(held.rows()[0].state == DeliveryState::pending);
  CHECK(held.rows()[0].record.attempts == 1);
  REQUIRE(held.log.deliveries().take_due(held.claim, 10)->size() == 1);
  REQUIRE(settle({.as = Settled::As::pending, .pause = 10min, .error = "again"}));
  CHECK(held.rows()[0].record.attempts == 2);
  CHECK(held.rows()[0].record.last_error == "again");
  CHECK(held.rows()[0].record.available_at > held.claim.now + 9min);
  CHECK(held.log.deliveries().take_due(held.claim, 10)->empty());
}

TEMPLATE_TEST_CASE("deliveries: an applied one leaves nothing behind", "[deliveries]",
                   QUERYMARK_LOGS) {
  Held<TestType> held;
  REQUIRE(held.leave(tag("a")));
  held.claim = held.again();
  const auto taken = held.log.deliveries().take_due(held.claim, 10);
  const Settled applied{.id = taken->front().record().id};
  REQUIRE(held.log.deliveries().settle(held.claim, {&applied, 1}, OnDeath::flush));
  CHECK(held.rows().empty());
  CHECK(held.log.claims().claim("tier", "me", 30s).status == ClaimStatus::nothing_new);
}

TEMPLATE_TEST_CASE("deliveries: a death owes a flush, until one up to there is paid",
                   "[deliveries]", QUERYMARK_LOGS) {
  const DeliveryState state = GENERATE(DeliveryState::dead, DeliveryState::expired);
  Held<TestType> held;
  REQUIRE(held.leave(tag("a"), state));
  CHECK(held.rows()[0].state == state);
  held.claim = held.again();  // though no row is new, and nothing due
  REQUIRE(held.claim.flush_owed == held.written.position);
  CHECK_FALSE(held.claim.waiting);
  REQUIRE(held.log.deliveries().pay_flush(held.claim, held.written.position));
  CHECK(held.log.claims().claim("tier", "me", 30s).status == ClaimStatus::nothing_new);
  CHECK(held.rows()[0].state == state);  // for operators, and for waits
}

TEMPLATE_TEST_CASE("deliveries: what dies while a flush is being paid stays owed", "[deliveries]",
                   QUERYMARK_LOGS) {
  Held<TestType> held;
  REQUIRE(held.leave(tag("a"), DeliveryState::dead));
  const Claim owing = held.again();
  held.written = held.log.write(batch({tag("b")}));
  held.claim = held.again();
  REQUIRE(held.leave(tag("b"), DeliveryState::dead));
  Claim paying = held.again();
  paying.flush_owed = owing.flush_owed;  // what it had seen
  REQUIRE(held.log.deliveries().pay_flush(paying, *owing.flush_owed));
  CHECK(held.again().flush_owed == held.written.position);
}

TEMPLATE_TEST_CASE("deliveries: without a flush on death none is owed", "[deliveries]",
                   QUERYMARK_LOGS) {
  Held<TestType> held;
  REQUIRE(held.leave(tag("a"), DeliveryState::dead, OnDeath::nothing));
  CHECK(held.log.claims().claim("tier", "me", 30s).status == ClaimStatus::nothing_new);
}

TEMPLATE_TEST_CASE("deliveries: a malformed row is dead and owes nothing: its flush has been",
                   "[deliveries]", QUERYMARK_LOGS) {
  Held<TestType> held;
  REQUIRE(held.log.deliveries().record(held.claim,
                                       {.cursor = held.claim.upto,
                                        .left = {{.target = std::nullopt,
                                                  .first_position = held.written.position,
                                                  .position = held.written.position,
                                                  .state = DeliveryState::dead,
                                                  .error = "malformed"}},
                                        .applied = {},
                                        .lifetime = kDay},
                                       OnDeath::flush));
  REQUIRE(held.rows().size() == 1);
  CHECK(held.rows()[0].state == DeliveryState::dead);
  CHECK_FALSE(held.rows()[0].record.target);
  CHECK(held.rows()[0].record.attempts == 0);
  CHECK(held.log.claims().claim("tier", "me", 30s).status == ClaimStatus::nothing_new);
}

TEMPLATE_TEST_CASE("deliveries: a success supersedes what waits for the same, up to its position",
                   "[deliveries]", QUERYMARK_LOGS) {
  Held<TestType> held;
  REQUIRE(held.leave(tag("a")));
  const Receipt next = held.log.write(batch({tag("b")}));
  held.claim = held.again();
  const auto succeed = [&](const Target& target, Position position) {
    const SharedInvalidation applied{target, position, position};
    return held.log.deliveries().record(
        held.claim,
        {.cursor = held.claim.upto, .left = {}, .applied = {&applied, 1}, .lifetime = kDay},
        OnDeath::flush);
  };
  SECTION("an equal target, no lower") {
    REQUIRE(succeed(tag("a"), next.position));
    CHECK(held.rows()[0].state == DeliveryState::superseded);
  }
  SECTION("an equal target that commits later at a lower position") {
    REQUIRE(succeed(tag("a"), {held.written.position.value - 1}));
    CHECK(held.rows()[0].state == DeliveryState::pending);
  }
  SECTION("another target") {
    REQUIRE(succeed(tag("b"), next.position));
    CHECK(held.rows()[0].state == DeliveryState::pending);
  }
  SECTION("the same by another name: kinds share their texts") {
    REQUIRE(succeed(collection("a"), next.position));
    CHECK(held.rows()[0].state == DeliveryState::superseded);
  }
  SECTION("a flush above it") {
    REQUIRE(succeed(flush_all(), held.written.position));
    CHECK(held.rows()[0].state == DeliveryState::superseded);
  }
  SECTION("a flush below it") {
    REQUIRE(succeed(flush_all(), {held.written.position.value - 1}));
    CHECK(held.rows()[0].state == DeliveryState::pending);
  }
}

TEMPLATE_TEST_CASE("deliveries: the flush of another history supersedes those of the old",
                   "[deliveries]", QUERYMARK_LOGS) {
  Held<TestType> held;
  REQUIRE(held.leave(tag("a")));
  held.log.lose_history();
  held.claim = held.again();
  REQUIRE(held.claim.flush_first);
  CHECK(held.log.deliveries().take_due(held.claim, 10)->empty());  // its position means nothing
  const SharedInvalidation flush{flush_all(), {held.claim.upto.snapshot.limit().value - 1}, {}};
  REQUIRE(held.log.deliveries().record(
      held.claim, {.cursor = held.claim.upto, .left = {}, .applied = {&flush, 1}, .lifetime = kDay},
      OnDeath::flush));
  CHECK(held.rows()[0].state == DeliveryState::superseded);
}

TEMPLATE_TEST_CASE("deliveries: a row is recorded before it is applied, once, with its attempts",
                   "[deliveries]", QUERYMARK_LOGS) {
  Held<TestType> held;
  const SharedInvalidation row{tag("a"), held.written.position, held.written.position};
  for (unsigned attempt = 1; attempt <= 3; ++attempt) {
    const auto taken = held.log.deliveries().take_row(held.claim, row, kDay);
    REQUIRE(taken);
    REQUIRE(taken->size() == 1);
    CHECK(taken->front().record().attempts == attempt);
    // Its worker dies: the next claim finds it waiting, its attempt counted.
    held.claim = held.again();
    CHECK(held.claim.attempts == attempt + 1);
    CHECK(held.claim.waiting);
    CHECK(held.rows().size() == 1);
    CHECK(held.rows()[0].state == DeliveryState::pending);
  }
  Settled dead{.as = Settled::As::dead, .error = "enough"};
  const auto last = held.log.deliveries().take_row(held.claim, row, kDay);
  dead.id = last->front().record().id;
  REQUIRE(held.log.deliveries().settle(held.claim, {&dead, 1}, OnDeath::flush));
  CHECK(held.log.deliveries().take_row(held.claim, row, kDay)->empty());  // decided
}

TEMPLATE_TEST_CASE(
    "deliveries: a row that is read again in another page stands for all of either page",
    "[deliveries]", QUERYMARK_LOGS) {
  Held<TestType> held;
  const Position last = held.log.write(batch({tag("a")})).position;
  held.claim = held.again();
  Deliveries& deliveries = held.log.deliveries();
  const auto taken = deliveries.take_row(held.claim, {tag("a"), last, last}, kDay);
  const Settled ended{.id = taken->front().record().id,
                      .as = GENERATE(Settled::As::pending, Settled::As::dead),
                      .pause = 10min,
                      .error = {}};
  REQUIRE(deliveries.settle(held.claim, {&ended, 1}, OnDeath::nothing));
  // Another worker reads the row before it in the same page: it goes no other way.
  if (GENERATE(true, false)) {
    const SharedInvalidation both{tag("a"), last, held.written.position};
    CHECK(deliveries.take_row(held.claim, both, kDay)->empty());
  } else {
    REQUIRE(deliveries.record(held.claim,
                              {.cursor = held.claim.upto,
                               .left = {{.target = tag("a"),
                                         .first_position = held.written.position,
                                         .position = last,
                                         .error = {}}},
                               .applied = {},
                               .lifetime = kDay},
                              OnDeath::nothing));
  }
  const std::vector<DeliveryRow> rows = held.rows();
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].record.first_position == held.written.position);
  CHECK(rows[0].record.position == last);
  CHECK(rows[0].record.attempts == 1);
}

TEMPLATE_TEST_CASE("deliveries: what is taken under a claim is of the claim's history",
                   "[deliveries]", QUERYMARK_LOGS) {
  Held<TestType> held;
  const SharedInvalidation row{tag("a"), held.written.position, held.written.position};
  held.log.lose_history();
  if (const auto taken = held.log.deliveries().take_row(held.claim, row, kDay)) {
    REQUIRE(taken->size() == 1);
    CHECK(taken->front().record().epoch == held.claim.upto.epoch);
  }
}

TEMPLATE_TEST_CASE("deliveries: who has been fenced changes nothing", "[deliveries]",
                   QUERYMARK_LOGS) {
  Held<TestType> held;
  REQUIRE(held.leave(tag("a")));
  held.claim = held.again();
  const auto taken = held.log.deliveries().take_due(held.claim, 10);
  const std::uint64_t id = taken->front().record().id;
  const Claim late = held.claim;
  held.log.write(batch({tag("b")}));
  const Claim now = held.again();
  CHECK(held.rows()[0].state == DeliveryState::pending);

  Deliveries& deliveries = held.log.deliveries();
  const Settled outcome{.id = id};
  CHECK_FALSE(deliveries.settle(late, {&outcome, 1}, OnDeath::flush));
  CHECK_FALSE(deliveries.take_due(late, 10));
  CHECK_FALSE(deliveries.take_row(late, {tag("c"), {1}, {1}}, kDay));
  CHECK_FALSE(deliveries.pay_flush(late, {100}));
  CHECK_FALSE(deliveries.forgive(late, "down"));
  CHECK_FALSE(
      deliveries.record(late,
                        {.cursor = late.upto,
                         .left = {{.target = tag("x"), .first_position = {1}, .position = {1}}},
                         .applied = {},
                         .lifetime = kDay},
                        OnDeath::flush));
  REQUIRE(held.rows().size() == 1);
  CHECK(held.rows()[0].state == DeliveryState::pending);
  CHECK(held.rows()[0].record.attempts == 2);
  // A delivery that the holder has taken is the holder's alone, too.
  CHECK(deliveries.take_due(now, 10)->size() == 1);
  CHECK(deliveries.settle(now, {&outcome, 1}, OnDeath::flush));
  CHECK(held.rows().empty());
}

TEMPLATE_TEST_CASE("deliveries: an outage takes the segment's attempt back, a release too",
                   "[deliveries]", QUERYMARK_LOGS) {
  Held<TestType> held;
  CHECK(held.claim.attempts == 1);
  REQUIRE(held.log.deliveries().forgive(held.claim, "connection refused"));
  held.claim = held.again();
  CHECK(held.claim.attempts == 1);
  held.claim = held.again();
  CHECK(held.claim.attempts == 2);
  held.log.claims().release("tier", "me");
  CHECK(held.again().attempts == 1);
}

TEMPLATE_TEST_CASE("deliveries: a cursor stands between the pages of its segment", "[deliveries]",
                   QUERYMARK_LOGS) {
  Held<TestType> held;
  held.log.write(batch({tag("b")}));
  held.log.write(batch({tag("c")}));
  const Claim claim = held.again();
  const TailPage page = held.log.reader().read(
      {.from = claim.from, .upto = claim.upto, .after = std::nullopt, .limit = 2});
  REQUIRE(page.more);
  const Cursor between{
      claim.upto.epoch, claim.from.snapshot.cut(claim.upto.snapshot, page.rows[1].position), {}};
  REQUIRE(held.log.claims().advance(claim, between));
  const Claim rest = held.again();
  CHECK_FALSE(rest.flush_first);  // SQLite: the cursor's row is proved all the same
  const TailPage left = held.log.reader().read(
      {.from = rest.from, .upto = rest.upto, .after = std::nullopt, .limit = 10});
  REQUIRE(left.rows.size() == 1);
  CHECK(left.rows[0].target == tag("c"));
}
