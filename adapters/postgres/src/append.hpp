#pragma once

#include <array>
#include <string>

#include "querymark/key/parameter.hpp"
#include "querymark/log/intent.hpp"
#include "querymark/result/result_set.hpp"
#include "querymark/write/own_writes.hpp"

namespace querymark::postgres {

/// A pending write from the row of `begin_write`. Throws SchemaError when there is none.
[[nodiscard]] PendingWrite pending_of(const ResultSet& begun, const std::string& namespace_name,
                                      WriteId write = random_write_id());
/// Puts all intents at the transaction's position.
void add_intents(PendingWrite& pending, const IntentBatch& intents);

/// The values of the statement `append`, or of `append_one` for a single intent; keeps the texts that
/// they point into.
struct Append {
  Append(std::string namespace_of_write, WriteId write, const IntentBatch& intents);
  Append(const Append&) = delete;
  Append& operator=(const Append&) = delete;

  bool one;
  std::string namespace_name;
  OwnedParameter kinds;
  OwnedParameter targets;
  std::array<ParameterView, 5> values;
};

}  // namespace querymark::postgres
