#pragma once

#include <memory>
#include <utility>

#include "querymark/log/pruning.hpp"

namespace querymark::sqlite {

class LogFile;

/// The log's table as whoever prunes it sees it, over the log's own connection. Writers are
/// serialized, so one removes at a time.
class LogTable final : public Pruning {
 public:
  explicit LogTable(std::shared_ptr<LogFile> file) : file_(std::move(file)) {}

  [[nodiscard]] LogExtent extent() override;
  bool record_snapshot(std::chrono::milliseconds apart, std::chrono::milliseconds keep) override;
  [[nodiscard]] bool allow(Epoch epoch, const Snapshot& snapshot) override;
  [[nodiscard]] Removed remove(std::size_t limit) override;
  std::size_t remove_deliveries(std::chrono::milliseconds keep, std::size_t limit) override;

 private:
  std::shared_ptr<LogFile> file_;
};

}  // namespace querymark::sqlite
