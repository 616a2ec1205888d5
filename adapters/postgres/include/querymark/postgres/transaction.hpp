#pragma once

#include "querymark/log/transaction.hpp"

namespace querymark::postgres {

class Connection;

/// A write transaction on PostgreSQL. SQL goes to the server verbatim, with `$1` parameters. What
/// would end the transaction, or change the pooled session beyond it, is refused.
class Transaction final : public querymark::Transaction {
 public:
  Transaction(Connection& connection, IntentBatch& intents)
      : querymark::Transaction(intents), connection_(connection) {}

 private:
  std::int64_t execute_values(std::string_view sql, std::span<const ParameterView> values) override;
  ResultSet query_values(std::string_view sql, std::span<const ParameterView> values) override;

  Connection& connection_;
};

}  // namespace querymark::postgres
