#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "analysis/analyse.hpp"
#include "querymark/support/connection_pool.hpp"

namespace querymark::sqlite {

/// Judges queries on the connections on which they would be loaded. Thread-safe; the pool must outlive it.
class PoolAnalyser final : public Analyser {
 public:
  explicit PoolAnalyser(ConnectionPool<Connection>& pool) : pool_(pool) {}

  [[nodiscard]] Analysis analyse(std::string_view sql, const Promises& promises) override {
    return sqlite::analyse(*pool_.acquire(), sql, {}, promises).analysis;
  }
  [[nodiscard]] Advice advise(std::vector<SeenQuery> queries) override;

 private:
  ConnectionPool<Connection>& pool_;
};

}  // namespace querymark::sqlite
