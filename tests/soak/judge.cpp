#include "soak/judge.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

namespace querymark::test::soak {
namespace {

std::string told(const Tally& tally, const Due& due, const Outcome& outcome) {
  return fmt::format("{}: {} {} {}, process {}, {}", tally.name.data(), name_of(due.table),
                     due.group ? "group" : "row", due.id, ::getpid(), outcome);
}

}  // namespace

Judge::Judge(Ledger& ledger, const Floors& own, std::chrono::milliseconds max_lag)
    : ledger_(ledger),
      own_(own),
      max_lag_(max_lag),
      by_origin_{&ledger.tally("= from the database"), &ledger.tally("= from memory"),
                 &ledger.tally("= from a shared tier")} {}

Due Judge::row(Sees sees, Table table, std::int64_t id) const {
  if (sees == Sees::all) return at_least(table, id, ledger_.acknowledged().of(table, id));
  return at_least(table, id, std::max(own_.of(table, id), ledger_.spread().of(table, id)));
}

Due Judge::group(Sees sees, Table table, std::int64_t group) const {
  return {.table = table,
          .id = group,
          .group = true,
          .floor = (sees == Sees::all ? ledger_.acknowledged() : own_).of_group(table, group),
          .began = std::chrono::steady_clock::now()};
}

Due Judge::at_least(Table table, std::int64_t id, std::int64_t floor) {
  return {.table = table,
          .id = id,
          .group = false,
          .floor = floor,
          .began = std::chrono::steady_clock::now()};
}

void Judge::judge(Tally& tally, const Due& due, std::int64_t seen, const Outcome& outcome) {
  ++tally.done;
  ++by_origin_[static_cast<std::size_t>(outcome.origin)]->done;
  if (seen < due.floor) {
    ++tally.stale;
    ledger_.found(fmt::format("STALE {}: was {} or more, and {} was read",
                              told(tally, due, outcome), due.floor, seen));
  }
  if (due.group) return;  // a sum does not tell which of its rows is old
  const auto passed = ledger_.passed(due.table, due.id, seen);
  if (!passed || due.began - *passed <= max_lag_ + kGrace) return;
  ++tally.late;
  ledger_.found(fmt::format(
      "LATE {}: {} was read, which had been overtaken {} ms before", told(tally, due, outcome),
      seen, std::chrono::duration_cast<std::chrono::milliseconds>(due.began - *passed).count()));
}

}  // namespace querymark::test::soak
