#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "querymark/log/pruning.hpp"

namespace querymark::postgres {

class LogConnection;

/// The log's table as whoever prunes it sees it, over the log's own connection.
class LogTable final : public Pruning {
 public:
  explicit LogTable(std::shared_ptr<LogConnection> log) : log_(std::move(log)) {}

  [[nodiscard]] LogExtent extent() override;
  bool record_snapshot(std::chrono::milliseconds apart, std::chrono::milliseconds keep) override;
  [[nodiscard]] bool allow(Epoch epoch, const Snapshot& snapshot) override;
  [[nodiscard]] Removed remove(std::size_t limit) override;
  std::size_t remove_deliveries(std::chrono::milliseconds keep, std::size_t limit) override;
  [[nodiscard]] std::optional<HorizonHolder> horizon_holder() override;

 private:
  std::shared_ptr<LogConnection> log_;
};

}  // namespace querymark::postgres
