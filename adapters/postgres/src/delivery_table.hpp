#pragma once

#include <memory>
#include <utility>

#include "querymark/log/deliveries.hpp"

namespace querymark::postgres {

class LogConnection;

/// The deliveries of a log's namespace, over the log's own connection.
class DeliveryTable final : public Deliveries {
 public:
  explicit DeliveryTable(std::shared_ptr<LogConnection> log) : log_(std::move(log)) {}

  [[nodiscard]] bool record(const Claim& claim, const Progress& progress,
                            OnDeath on_death) override;
  [[nodiscard]] Taken take_row(const Claim& claim, const SharedInvalidation& row,
                               std::chrono::milliseconds lifetime) override;
  [[nodiscard]] Taken take_due(const Claim& claim, std::size_t limit) override;
  [[nodiscard]] bool settle(const Claim& claim, std::span<const Settled> outcomes,
                            OnDeath on_death) override;
  [[nodiscard]] bool pay_flush(const Claim& claim, Position position) override;
  [[nodiscard]] bool forgive(const Claim& claim, const std::string& reason) override;
  [[nodiscard]] std::vector<DeliveryRow> list(const DeliveryFilter& filter) override;
  [[nodiscard]] std::vector<std::uint64_t> decide(std::span<const SeenDelivery> seen,
                                                  Decision decision) override;

 private:
  std::shared_ptr<LogConnection> log_;
};

}  // namespace querymark::postgres
