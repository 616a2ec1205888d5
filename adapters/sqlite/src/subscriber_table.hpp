#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "querymark/log/subscribers.hpp"

namespace querymark::sqlite {

class LogFile;

/// The subscribers of a log's namespace, in the file beside the database.
class SubscriberTable final : public Subscribers {
 public:
  explicit SubscriberTable(std::shared_ptr<LogFile> file) : file_(std::move(file)) {}

  void enter(const SubscriberEntry& entry) override;
  [[nodiscard]] Beaten beat(SubscriberId id, const Cursor& cursor) override;
  void leave(SubscriberId id) override;
  [[nodiscard]] std::vector<SubscriberRow> subscribers() override;
  bool reap(SubscriberId id, std::uint64_t seen) override;
  void ask_report() override;

 private:
  std::shared_ptr<LogFile> file_;
};

}  // namespace querymark::sqlite
