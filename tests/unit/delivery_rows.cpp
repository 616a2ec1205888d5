// Deliveries out of what a database answers: one reading for all dialects.

#include "querymark/log/delivery_rows.hpp"

#include <catch2/catch.hpp>

#include "../support/errors.hpp"

namespace {

using namespace querymark;

constexpr std::string_view kEpoch = "00112233445566778899aabbccddeeff";

struct Cells {
  ParameterView id = as_parameter(7);
  ParameterView kind = ParameterView::text("tag");
  ParameterView target = ParameterView::text("price");
  ParameterView epoch = ParameterView::text(kEpoch);
  ParameterView first = as_parameter(40);
  ParameterView last = as_parameter(41);
  ParameterView due = as_parameter(1000);
  ParameterView deadline = as_parameter(2000);
  ParameterView error = ParameterView::text("refused");
};

// In another order than any statement's.
ResultSet answer(const Cells& cells) {
  ResultSetBuilder builder;
  for (const char* name :
       {"last_error", "deadline", "available_at", "position", "first_position", "epoch", "target",
        "kind", "id", "attempts", "state", "consumer", "created_at", "changed_at"})
    builder.add_column(name);
  for (const ParameterView cell : {cells.error, cells.deadline, cells.due, cells.last, cells.first,
                                   cells.epoch, cells.target, cells.kind, cells.id})
    builder.add(cell);
  builder.add(as_parameter(3));
  builder.add(ParameterView::text("expired"));
  builder.add(ParameterView::text("tier"));
  builder.add(as_parameter(500));
  builder.add(as_parameter(1500));
  return std::move(builder).build();
}

TEST_CASE("a delivery is read by the names of its columns, in whatever order they come") {
  const auto rows = delivery_rows(answer({}));
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].state == DeliveryState::expired);
  CHECK(rows[0].consumer == "tier");
  CHECK(rows[0].created_at == WallTime(std::chrono::milliseconds(500)));
  CHECK(rows[0].changed_at == WallTime(std::chrono::milliseconds(1500)));
  const DeliveryRecord& record = rows[0].record;
  CHECK(record.id == 7);
  CHECK(record.target == Target::from_log("tag", "price"));
  CHECK(record.epoch.hex() == kEpoch);
  CHECK(record.first_position == Position{40});
  CHECK(record.position == Position{41});
  CHECK(record.attempts == 3);
  CHECK(record.available_at == WallTime(std::chrono::seconds(1)));
  CHECK(record.deadline == WallTime(std::chrono::seconds(2)));
  CHECK(record.last_error == "refused");
}

TEST_CASE("positions may come as text, also those that no signed integer holds") {
  const auto rows = delivery_rows(answer({.first = ParameterView::text("18446744073709551614"),
                                          .last = ParameterView::text("18446744073709551615")}));
  CHECK(rows[0].record.first_position == Position{18446744073709551614U});
  CHECK(rows[0].record.position == Position{18446744073709551615U});
  for (const char* text : {"", "x", "-1", "1 ", "18446744073709551616"})
    CHECK_THROWS_AS(delivery_rows(answer({.last = ParameterView::text(text)})), SchemaError);
  CHECK_THROWS_AS(delivery_rows(answer({.last = as_parameter(-1)})), TypeError);
}

TEST_CASE("what is null in a delivery means that there is none") {
  const auto rows =
      delivery_rows(answer({.kind = {}, .target = {}, .due = {}, .deadline = {}, .error = {}}));
  CHECK(!rows[0].record.target);
  CHECK(rows[0].record.available_at == WallTime::max());
  CHECK(rows[0].record.deadline == WallTime::max());
  CHECK(rows[0].record.last_error.empty());
}

TEST_CASE("a delivery whose epoch is none is refused, and so is one without a column") {
  CHECK_THROWS_AS(delivery_rows(answer({.epoch = ParameterView::text("1")})), SchemaError);
  ResultSetBuilder builder;
  builder.add_column("id");
  builder.add(as_parameter(1));
  CHECK_THROWS_AS(claimed_deliveries(std::move(builder).build()), TypeError);
}

TEST_CASE("a row without an id says that nothing was claimed") {
  CHECK(claimed_deliveries(answer({.id = {}})).empty());
  CHECK(claimed_deliveries(answer({})).size() == 1);
}

}  // namespace
