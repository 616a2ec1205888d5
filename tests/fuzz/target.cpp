// A row of the log, which any program may have written: targets, or malformed.

#include <algorithm>

#include "fuzz/fuzz.hpp"
#include "querymark/key/tracked.hpp"

using namespace querymark;

namespace {

// One that a program wrote, or declares.
void check_declared(std::string_view kind, std::string_view text) {
  const auto target = Target::from_log(kind, text);
  if (!target) return;
  fuzz::require(target->text().size() <= Target::kMaxText, "no target is longer than the limit");
  const auto again = Target::from_log(to_string(target->kind()), target->text());
  fuzz::require(again.has_value() && *again == *target, "what is written is read back");
  fuzz::require(again->id() == target->id() && again->hash() == target->hash(), "as the same");
}

// Those of triggers: a table's rows reach who looks at any of them, all of them who looks at one, too.
void check_tracked(const std::vector<Target>& targets, std::string_view kind,
                   std::string_view text) {
  for (const Target& target : targets) {
    fuzz::require(target.text().size() <= Target::kMaxText, "none is longer than the limit");
    fuzz::require(is_tracked_text(target.text()), "they are named as triggers name them");
    fuzz::require(!describe_tracked(target.text()).empty(), "and shown to people");
  }
  if (kind == "schema") return;
  const std::size_t second = text.find(':', text.find(':') + 1);
  const std::string_view relation = text.substr(0, second);
  fuzz::require(targets.at(0) == any_row_of(relation), "who looks at any row is reached");
  if (kind == "relation")
    fuzz::require(targets.size() == 2 && targets[1] == all_rows_of(relation), "and all others");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static constexpr std::string_view kKinds[] = {"key", "tag",  "entity",   "collection", "flush",
                                                "",    "rows", "relation", "schema",     "tracked"};
  if (size == 0) return 0;
  const std::string_view kind = kKinds[data[0] % std::size(kKinds)];
  const std::string_view text = fuzz::view_of(data + 1, size - 1);
  check_declared(kind, text);
  const auto targets = targets_in_log(kind, text);
  if (!targets) return 0;
  fuzz::require(!targets->empty() && kind != "tracked", "a row of the log invalidates something");
  if (kind == "rows" || kind == "relation" || kind == "schema")
    check_tracked(*targets, kind, text);
  else
    fuzz::require(targets->size() == 1 && targets->front() == Target::from_log(kind, text),
                  "itself");
  return 0;
}
