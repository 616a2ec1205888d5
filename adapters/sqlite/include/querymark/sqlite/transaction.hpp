#pragma once

#include "querymark/log/transaction.hpp"

namespace querymark::sqlite {

class Connection;

/// A write transaction on SQLite: it holds the database's write lock from the start (BEGIN
/// IMMEDIATE).
class Transaction final : public querymark::Transaction {
 public:
  Transaction(Connection& connection, IntentBatch& intents)
      : querymark::Transaction(intents), connection_(connection) {}

 private:
  std::int64_t execute_values(std::string_view sql, std::span<const ParameterView> values) override;
  ResultSet query_values(std::string_view sql, std::span<const ParameterView> values) override;

  Connection& connection_;
};

}  // namespace querymark::sqlite
