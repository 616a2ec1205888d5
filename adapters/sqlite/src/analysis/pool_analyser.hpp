#pragma once

#include "analysis/analyse.hpp"
#include "querymark/support/connection_pool.hpp"

namespace querymark::sqlite {

/// Judges queries on the connections on which they would be loaded. Thread-safe; the pool must outlive it.
class PoolAnalyser final : public Analyser {
 public:
  explicit PoolAnalyser(ConnectionPool<Connection>& pool) : pool_(pool) {}

  [[nodiscard]] Analysis analyse(std::string_view sql,
                                 std::span<const ParameterView> /*parameters*/) override {
    return analyse(sql).analysis;
  }
  /// With the schema that it was made of. SQLite prepares the same for parameters of all types.
  [[nodiscard]] SchemaAnalysis analyse(std::string_view sql) {
    return sqlite::analyse(*pool_.acquire(), sql);
  }

 private:
  ConnectionPool<Connection>& pool_;
};

}  // namespace querymark::sqlite
