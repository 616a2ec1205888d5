#include "querymark/write/staged.hpp"

#include "querymark/support/error.hpp"

namespace querymark {

Staged::Staged(OwnWrites& writes, PendingWrite write, Confirm confirm)
    : pending_(new Pending{writes, std::move(write), std::move(confirm)}) {}

Staged::~Staged() {
  if (pending_) pending_->writes.doubt(pending_->write);
}

Receipt Staged::committed() {
  if (!pending_) throw ConfigError("these staged intents were settled before");
  pending_->confirm(pending_->write.receipt);
  const std::unique_ptr<Pending> settled = std::move(pending_);
  settled->writes.apply(settled->write);
  settled->writes.follow(settled->write);
  return std::move(settled->write.receipt);
}

}  // namespace querymark
