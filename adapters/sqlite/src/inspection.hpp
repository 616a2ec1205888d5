#pragma once

#include <memory>
#include <utility>

#include "querymark/log/inspector.hpp"

namespace querymark::sqlite {

class LogFile;

/// What the log's database shows to operators, over the log's own connection.
class Inspection final : public Inspector {
 public:
  explicit Inspection(std::shared_ptr<LogFile> file) : file_(std::move(file)) {}

  [[nodiscard]] DatabaseReport database() override;
  [[nodiscard]] std::vector<ConsumerReport> consumers(const std::string& namespace_name) override;
  [[nodiscard]] Backlog behind(const std::string& namespace_name, const Cursor& cursor,
                               std::uint64_t most) override;
  [[nodiscard]] std::vector<RowDetails> details(std::span<const LogRow> rows) override;
  [[nodiscard]] std::vector<Finding> findings(std::chrono::milliseconds longest_open) override;

 private:
  std::shared_ptr<LogFile> file_;
};

}  // namespace querymark::sqlite
