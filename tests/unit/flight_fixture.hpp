#pragma once

#include <vector>

#include "querymark/key/prefix_table.hpp"
#include "querymark/read/blocking_driver.hpp"
#include "querymark/read/flight.hpp"

namespace querymark::test {

inline const TargetId kTargetA = tag("a").id();

struct FlightFixture {
  PrefixTable prefixes;
  KeyPrefixRef prefix = prefixes.intern("int", KeyPrefix::Form::sql, {}, "select 1");
  Marks marks{1024};
  FlightTable table;
  std::vector<TargetId> targets{kTargetA};

  const ReadCaller me = ReadCaller::here();

  [[nodiscard]] FlightEntry enter_as(const ReadCaller& caller) {
    return table.enter({prefix.get(), {}}, marks, targets, caller);
  }
  [[nodiscard]] FlightEntry enter() { return enter_as(me); }
  // As another caller would.
  [[nodiscard]] FlightEntry enter_elsewhere() { return enter_as(ReadCaller::here()); }
  [[nodiscard]] EntryRef value(int number) const {
    return make_entry<int>({.prefix = prefix}, number, 0);
  }
  void invalidate() {
    const MarkUpdate update{kTargetA, {}};
    marks.apply_unconfirmed({&update, 1});
  }
};

inline bool leads(const FlightEntry& entry) { return std::holds_alternative<FlightLeader>(entry); }
inline bool waits(const FlightEntry& entry) { return std::holds_alternative<FlightWaiter>(entry); }
inline FlightLeader& leader(FlightEntry& entry) { return std::get<FlightLeader>(entry); }
inline FlightWaiter& waiter(FlightEntry& entry) { return std::get<FlightWaiter>(entry); }
inline FlightResult wait(FlightEntry& entry) {
  return blocking_wait(waiter(entry), std::nullopt).value();
}

}  // namespace querymark::test
