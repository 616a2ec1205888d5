#pragma once

#include <utility>

#include "backend.hpp"
#include "querymark/file_tier/file_tier.hpp"

namespace catalogue {

/// A Store on one of querymark's databases.
template <class Database>
class StoreOf final : public Store {
 public:
  template <class... Args>
  explicit StoreOf(Args&&... args) : database_(std::forward<Args>(args)...) {}

  [[nodiscard]] qm::Queries& queries() noexcept override { return database_; }
  qm::Receipt write(const std::function<void(qm::Transaction&)>& change) override {
    return database_.write(change).receipt;
  }
  [[nodiscard]] qm::WaitOutcome wait(const qm::Receipt& receipt, const qm::Wait& wait) override {
    return database_.wait(receipt, wait);
  }
  void catch_up() override { database_.catch_up(); }
  void attach(qm::FileTier tier) override { database_.attach(std::move(tier)); }

 private:
  Database database_;
};

}  // namespace catalogue
