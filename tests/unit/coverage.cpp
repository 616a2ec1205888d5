#include "querymark/log/coverage.hpp"

#include <catch2/catch.hpp>

namespace {

using namespace querymark;

const Epoch kEpoch{7, 7};

ConsumerCoverage upto(std::uint64_t last) {
  ConsumerCoverage consumer;
  consumer.name = "tier";
  consumer.cursor = {kEpoch, Snapshot::upto({last}), {}};
  return consumer;
}

Covered at(const ConsumerCoverage& consumer, std::uint64_t position) {
  return covered(consumer, kEpoch, {position});
}

}  // namespace

TEST_CASE("coverage: a cursor covers what it has passed, in its epoch", "[coverage]") {
  ConsumerCoverage consumer = upto(10);
  CHECK(at(consumer, 10) == Covered::yes);
  CHECK(at(consumer, 11) == Covered::not_yet);
  CHECK(covered(consumer, {8, 8}, {10}) == Covered::not_yet);
  consumer.cursor->snapshot = Snapshot({8}, {11}, {{8}});
  CHECK(at(consumer, 9) == Covered::yes);
  CHECK(at(consumer, 8) == Covered::not_yet);
  consumer.cursor.reset();
  CHECK(at(consumer, 1) == Covered::not_yet);
}

TEST_CASE(
    "coverage: what waits for another attempt is not there yet, by any of its positions (hard "
    "case 45)",
    "[coverage]") {
  ConsumerCoverage consumer = upto(100);
  consumer.gaps = {{.first = {90}, .last = {95}}};
  CHECK(at(consumer, 89) == Covered::yes);
  CHECK(at(consumer, 90) == Covered::not_yet);
  CHECK(at(consumer, 93) == Covered::not_yet);
  CHECK(at(consumer, 95) == Covered::not_yet);
  CHECK(at(consumer, 96) == Covered::yes);
}

TEST_CASE("coverage: what has ended without success is never called a success (hard case 52)",
          "[coverage]") {
  ConsumerCoverage consumer = upto(100);
  consumer.gaps = {{.first = {90}, .last = {90}, .ended = true}};
  CHECK(at(consumer, 90) == Covered::never);
  CHECK(at(consumer, 91) == Covered::yes);
  consumer.gaps.push_back({.first = {80}, .last = {99}});  // another one, which may yet succeed
  CHECK(at(consumer, 90) == Covered::not_yet);
}

TEST_CASE("coverage: a flush that is owed keeps open what it stands for (hard case 51)",
          "[coverage]") {
  ConsumerCoverage consumer = upto(100);
  consumer.gaps = {{.first = {90}, .last = {90}, .ended = true}};
  consumer.flush_owed = Position{90};
  CHECK(at(consumer, 90) == Covered::not_yet);
  CHECK(at(consumer, 50) == Covered::not_yet);
  CHECK(at(consumer, 91) == Covered::yes);
}

TEST_CASE("coverage: of what was not listed nothing is claimed", "[coverage]") {
  ConsumerCoverage consumer = upto(100);
  consumer.more_gaps = true;
  CHECK(at(consumer, 50) == Covered::not_yet);
}
