// What an operator sees of the deliveries, and decides, on all implementations.

#include <catch2/catch.hpp>
#include <set>
#include <thread>

#include "held.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

// One delivery in that state.
template <class Log>
struct Decided : Held<Log> {
  explicit Decided(DeliveryState state) {
    REQUIRE(this->leave(tag("a"), state, OnDeath::nothing, 10min));
  }
  [[nodiscard]] DeliveryRow row() {
    const auto found = this->log.deliveries().find(id());
    REQUIRE(found);
    return *found;
  }
  [[nodiscard]] std::uint64_t id() { return this->rows().at(0).record.id; }
  std::size_t decide(DeliveryState seen, Decision decision) {
    const SeenDelivery one{id(), seen};
    return this->log.deliveries().decide({&one, 1}, decision).size();
  }
};

// Several rows at once, of two consumers.
template <class Log>
struct Many {
  Held<Log> held;
  std::vector<std::uint64_t> ids;

  explicit Many(std::size_t count) {
    const std::vector<DeliveryState> states{DeliveryState::dead, DeliveryState::pending,
                                            DeliveryState::expired};
    Progress progress{.cursor = held.claim.upto, .left = {}, .applied = {}, .lifetime = kDay};
    for (std::size_t i = 0; i < count; ++i)
      progress.left.push_back({.target = tag("t", std::to_string(i)),
                               .first_position = held.written.position,
                               .position = held.written.position,
                               .state = states[i % states.size()],
                               .pause = 10min,
                               .error = i % 2 == 0 ? "100% refused" : "100 timed out"});
    REQUIRE(held.log.deliveries().record(held.claim, progress, OnDeath::nothing));
    for (const DeliveryRow& row : held.rows()) ids.push_back(row.record.id);
  }
  std::size_t count(const DeliveryFilter& filter) {
    return held.log.deliveries().list(filter).size();
  }
};

const std::vector<DeliveryState> kEnded{DeliveryState::dead, DeliveryState::expired,
                                        DeliveryState::cancelled, DeliveryState::superseded,
                                        DeliveryState::discarded};

}  // namespace

TEMPLATE_TEST_CASE(
    "decisions: each leads from the states in which it may be made, and from no other",
    "[deliveries]", QUERYMARK_LOGS) {
  const DeliveryState from =
      GENERATE(DeliveryState::pending, DeliveryState::dead, DeliveryState::expired);
  const Decision decision = GENERATE(Decision::cancel, Decision::discard, Decision::retry);
  CAPTURE(to_string(from), to_string(decision));
  Decided<TestType> held(from);
  const auto to = decided(from, decision);
  CHECK(held.decide(from, decision) == (to ? 1 : 0));
  CHECK(held.row().state == to.value_or(from));
  CHECK(held.row().changed_at >= held.row().created_at);
}

TEMPLATE_TEST_CASE("decisions: what has moved on since it was seen is left alone", "[deliveries]",
                   QUERYMARK_LOGS) {
  Decided<TestType> held(DeliveryState::dead);
  CHECK(held.decide(DeliveryState::pending, Decision::cancel) == 0);
  CHECK(held.row().state == DeliveryState::dead);
  CHECK(held.decide(DeliveryState::dead, Decision::discard) == 1);
  CHECK(held.decide(DeliveryState::dead, Decision::discard) == 0);
  CHECK(held.decide(DeliveryState::dead, Decision::retry) == 0);
  CHECK(held.row().state == DeliveryState::discarded);
}

TEMPLATE_TEST_CASE("decisions: one that a worker has claimed is the worker's", "[deliveries]",
                   QUERYMARK_LOGS) {
  Held<TestType> held;
  REQUIRE(held.leave(tag("a")));
  held.claim = held.again();
  const auto taken = held.log.deliveries().take_due(held.claim, 10);
  REQUIRE(taken->size() == 1);
  const std::uint64_t id = taken->front().record().id;
  for (const DeliveryState seen : {DeliveryState::pending, DeliveryState::claimed}) {
    const SeenDelivery one{id, seen};
    CHECK(held.log.deliveries().decide({&one, 1}, Decision::cancel).empty());
  }
  const Settled applied{.id = id};
  CHECK(held.log.deliveries().settle(held.claim, {&applied, 1}, OnDeath::flush));
}

TEMPLATE_TEST_CASE("decisions: what is retried is due at once, with all its attempts and its time",
                   "[deliveries]", QUERYMARK_LOGS) {
  const DeliveryState state = GENERATE(DeliveryState::dead, DeliveryState::expired);
  Decided<TestType> held(state);
  const DeliveryRow before = held.row();
  CHECK(held.decide(state, Decision::retry) == 1);
  const DeliveryRow after = held.row();
  CHECK(after.record.attempts == 0);
  CHECK(after.record.available_at < before.record.available_at);
  CHECK(after.record.deadline >= before.record.deadline - 10min);
  CHECK(after.record.last_error == before.record.last_error);
  held.claim = held.again();
  const auto taken = held.log.deliveries().take_due(held.claim, 10);
  REQUIRE(taken->size() == 1);
  CHECK(taken->front().record().attempts == 1);
}

TEMPLATE_TEST_CASE("decisions: what is retried lives as long as it did at first, however often",
                   "[deliveries]", QUERYMARK_LOGS) {
  Decided<TestType> held(DeliveryState::dead);
  const auto lifetime = [&] {
    return std::chrono::round<std::chrono::seconds>(held.row().record.deadline -
                                                    held.row().created_at);
  };
  const auto first = lifetime();
  held.log.put_clock_back(-1h);  // an hour goes by
  CHECK(held.decide(DeliveryState::dead, Decision::retry) == 1);
  CHECK(lifetime() == first);
}

TEMPLATE_TEST_CASE("decisions: a cancelled one is not tried again, by nobody", "[deliveries]",
                   QUERYMARK_LOGS) {
  Decided<TestType> held(DeliveryState::pending);
  CHECK(held.decide(DeliveryState::pending, Decision::cancel) == 1);
  CHECK(held.log.claims().claim("tier", "me", 30s).status == ClaimStatus::nothing_new);
  held.log.write(batch({tag("b")}));
  held.claim = held.again();
  CHECK_FALSE(held.claim.waiting);
  CHECK(held.log.deliveries().take_due(held.claim, 10)->empty());
  const SharedInvalidation row{tag("a"), held.written.position, held.written.position};
  CHECK(held.log.deliveries().take_row(held.claim, row, kDay)->empty());
}

TEMPLATE_TEST_CASE("decisions: a malformed row can't be retried, but discarded", "[deliveries]",
                   QUERYMARK_LOGS) {
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
  const SeenDelivery one{held.rows().at(0).record.id, DeliveryState::dead};
  CHECK(held.log.deliveries().decide({&one, 1}, Decision::retry).empty());
  CHECK(held.log.deliveries().decide({&one, 1}, Decision::discard).size() == 1);
}

TEMPLATE_TEST_CASE("decisions: one of another history can't be retried", "[deliveries]",
                   QUERYMARK_LOGS) {
  Decided<TestType> held(DeliveryState::dead);
  held.log.lose_history();
  static_cast<void>(held.again());  // adopts
  CHECK(held.decide(DeliveryState::dead, Decision::retry) == 0);
  CHECK(held.decide(DeliveryState::dead, Decision::discard) == 1);
}

TEMPLATE_TEST_CASE("decisions: a list is narrowed down by each field, and comes in pages",
                   "[deliveries]", QUERYMARK_LOGS) {
  Many<TestType> many(12);
  REQUIRE(many.ids.size() == 12);
  CHECK(many.count({}) == 12);
  CHECK(many.count({.consumer = "tier"}) == 12);
  CHECK(many.count({.consumer = "other"}) == 0);
  CHECK(many.count({.states = {DeliveryState::dead}}) == 4);
  CHECK(many.count({.states = {DeliveryState::dead, DeliveryState::expired}}) == 8);
  CHECK(many.count({.states = kEnded}) == 8);
  CHECK(many.count({.error = "100% ref"}) == 6);
  CHECK(many.count({.error = "100_"}) == 0);  // no pattern
  CHECK(many.count({.after = many.ids[4]}) == 7);
  CHECK(many.count({.limit = 5}) == 5);
  std::set<std::uint64_t> seen;
  std::uint64_t after = 0;
  for (int page = 0; page < 3; ++page)
    for (const DeliveryRow& row :
         many.held.log.deliveries().list({.states = {DeliveryState::dead, DeliveryState::pending},
                                          .after = after,
                                          .limit = 3})) {
      CHECK(row.consumer == "tier");
      CHECK(row.record.id > after);
      after = row.record.id;
      seen.insert(after);
    }
  CHECK(seen.size() == 8);
  CHECK_FALSE(many.held.log.deliveries().find(0));
  CHECK_FALSE(many.held.log.deliveries().find(many.ids.back() + 1));
  CHECK(many.held.log.deliveries().find(many.ids[3])->record.id == many.ids[3]);
}

TEMPLATE_TEST_CASE("decisions: many at once move those that still stand, and say which",
                   "[deliveries]", QUERYMARK_LOGS) {
  Many<TestType> many(12);
  std::vector<SeenDelivery> seen;
  for (const DeliveryRow& row : many.held.rows()) seen.push_back({row.record.id, row.state});
  seen.push_back({many.ids.back() + 100, DeliveryState::dead});
  const auto moved = many.held.log.deliveries().decide(seen, Decision::retry);
  CHECK(moved.size() == 8);
  CHECK(many.count({.states = {DeliveryState::pending}}) == 12);
  CHECK(many.held.log.deliveries().decide({}, Decision::retry).empty());
}
