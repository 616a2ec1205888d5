#pragma once

#include "querymark/write/transaction.hpp"

namespace querymark::postgres {

class OpenWrite;

/// A write transaction on PostgreSQL. SQL goes to the server verbatim, with `$1` parameters. What
/// would end the transaction, or change the pooled session beyond it, is refused.
class Transaction final : public querymark::Transaction {
 public:
  Transaction(OpenWrite& guard, IntentBatch& intents)
      : querymark::Transaction(intents), guard_(guard) {}

 private:
  std::int64_t execute_values(std::string_view sql, std::span<const ParameterView> values) override;
  ResultSet query_values(std::string_view sql, std::span<const ParameterView> values) override;

  OpenWrite& guard_;
};

}  // namespace querymark::postgres
