#pragma once

#include <memory>
#include <utility>

#include "querymark/log/log_claims.hpp"

namespace querymark::sqlite {

class LogFile;

/// The consumers' table of a log's namespace, over the log's own connection.
class Claims final : public LogClaims {
 public:
  explicit Claims(std::shared_ptr<LogFile> file) : file_(std::move(file)) {}

  [[nodiscard]] ClaimResult claim(const std::string& consumer, const std::string& owner,
                                  std::chrono::milliseconds lease) override;
  [[nodiscard]] bool advance(const Claim& claim, const Cursor& cursor) override;
  [[nodiscard]] bool renew(const Claim& claim, std::chrono::milliseconds lease) override;
  void release(const std::string& consumer, const std::string& owner) override;

 private:
  std::shared_ptr<LogFile> file_;
};

}  // namespace querymark::sqlite
