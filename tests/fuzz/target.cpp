// A row of the log, which any program may have written: a target, or malformed.

#include "querymark/key/target.hpp"

#include "fuzz/fuzz.hpp"

using namespace querymark;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static constexpr std::string_view kKinds[] = {"key", "tag", "entity", "collection", "flush", ""};
  if (size == 0) return 0;
  const std::string_view kind = kKinds[data[0] % std::size(kKinds)];
  const auto target = Target::from_log(kind, fuzz::view_of(data + 1, size - 1));
  if (!target) return 0;
  fuzz::require(target->text().size() <= Target::kMaxText, "no target is longer than the limit");
  const auto again = Target::from_log(to_string(target->kind()), target->text());
  fuzz::require(again.has_value() && *again == *target, "what is written is read back");
  fuzz::require(again->id() == target->id() && again->hash() == target->hash(), "as the same");
  return 0;
}
