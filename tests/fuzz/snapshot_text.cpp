// A snapshot's text, as it stands in a consumer's row: refused, or read and written alike.

#include "snapshot_text.hpp"

#include "fuzz/fuzz.hpp"

using namespace querymark;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto snapshot = postgres::parse_snapshot(fuzz::view_of(data, size));
  if (!snapshot) return 0;
  fuzz::require(snapshot->horizon() <= snapshot->limit(), "the horizon is at most the limit");
  for (const Position position : snapshot->in_progress())
    fuzz::require(!snapshot->covers(position), "what is in progress is not covered");
  const auto again = postgres::parse_snapshot(postgres::snapshot_text(*snapshot));
  fuzz::require(again.has_value() && *again == *snapshot, "what is written is read back");
  return 0;
}
