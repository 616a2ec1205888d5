#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "querymark/key/parameter.hpp"
#include "querymark/log/intent.hpp"
#include "querymark/result/result_set.hpp"

namespace querymark::sqlite {

class Connection;

/// A write transaction, as the function given to `Database::write` sees it. It holds the database's
/// write lock from the start (BEGIN IMMEDIATE). Reads through it see its own writes and touch no
/// cache. Not thread-safe; valid until the function returns.
class Transaction {
 public:
  Transaction(Connection& connection, IntentBatch& intents)
      : connection_(connection), intents_(intents) {}
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  /// Runs one statement with bound parameters; returns the number of rows changed. Throws Error.
  template <BindableParameter... Args>
  std::int64_t execute(std::string_view sql, const Args&... args) {
    const std::array<ParameterView, sizeof...(Args)> values{as_parameter(args)...};
    return execute_values(sql, values);
  }
  /// Reads inside the transaction, past the cache.
  template <BindableParameter... Args>
  [[nodiscard]] ResultSet query(std::string_view sql, const Args&... args) {
    const std::array<ParameterView, sizeof...(Args)> values{as_parameter(args)...};
    return query_values(sql, values);
  }

  /// Adds an intent: written to the log together with the data.
  Transaction& invalidate(Target target) {
    intents_.add(std::move(target));
    return *this;
  }
  /// Why, for operators who read the log.
  Transaction& reason(std::string text) {
    intents_.reason(std::move(text));
    return *this;
  }

 private:
  std::int64_t execute_values(std::string_view sql, std::span<const ParameterView> values);
  ResultSet query_values(std::string_view sql, std::span<const ParameterView> values);

  Connection& connection_;
  IntentBatch& intents_;
};

}  // namespace querymark::sqlite
