#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "querymark/log/subscribers.hpp"

namespace querymark::postgres {

class LogConnection;

/// The subscribers' table of a log's namespace, over the log's own connection.
class SubscriberTable final : public Subscribers {
 public:
  explicit SubscriberTable(std::shared_ptr<LogConnection> log) : log_(std::move(log)) {}

  void enter(const SubscriberEntry& entry) override;
  [[nodiscard]] Beaten beat(SubscriberId id, const Cursor& cursor) override;
  void leave(SubscriberId id) override;
  [[nodiscard]] std::vector<SubscriberRow> subscribers() override;
  bool reap(SubscriberId id, std::uint64_t seen) override;
  void ask_report() override;

 private:
  std::shared_ptr<LogConnection> log_;
};

}  // namespace querymark::postgres
