#include "append.hpp"

#include <utility>
#include <vector>

#include "querymark/log/fields.hpp"
#include "querymark/postgres/types.hpp"
#include "querymark/support/error.hpp"
#include "snapshot_text.hpp"

namespace querymark::postgres {

PendingWrite pending_of(const ResultSet& begun, const std::string& namespace_name, WriteId write) {
  if (begun.empty()) throw SchemaError("querymark.meta is empty; restore it or migrate anew");
  PendingWrite pending = begin_pending(namespace_name, epoch_of(begun.row(0)["epoch"]), write);
  pending.receipt.position = parse_position(begun.row(0)["position"].view());
  return pending;
}

void add_intents(PendingWrite& pending, const IntentBatch& intents) {
  for (const Target& target : intents.targets()) pending.add(target, pending.receipt.position);
}

Append::Append(std::string namespace_of_write, WriteId write, const IntentBatch& intents)
    : one(intents.targets().size() == 1), namespace_name(std::move(namespace_of_write)) {
  std::vector<std::string> kind_names;
  std::vector<std::string> target_texts;
  for (const Target& target : intents.targets()) {
    kind_names.emplace_back(to_string(target.kind()));
    target_texts.push_back(target.text());
  }
  kinds = one ? OwnedParameter(as_parameter(kind_names[0]), kind_names[0])
              : OwnedParameter(as_parameter(kind_names));
  targets = one ? OwnedParameter(as_parameter(target_texts[0]), target_texts[0])
                : OwnedParameter(as_parameter(target_texts));
  values = {as_parameter(namespace_name), kinds,
            intents.reason().empty() ? ParameterView() : as_parameter(intents.reason()),
            as_parameter(static_cast<std::int64_t>(write.value)), targets};
}

}  // namespace querymark::postgres
