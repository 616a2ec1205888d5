#include "querymark/database/write_session.hpp"

namespace querymark {

Receipt WriteSession::commit() {
  require_standing();
  OwnWrites& own = core_.own;
  own.admit(transaction().intents(), core_.require_intents);
  PendingWrite write = commit_intents();
  own.apply(write);
  settled(write);
  own.follow(write);
  return std::move(write.receipt);
}

void WriteSession::in_doubt(const PendingWrite& write, const std::string& what,
                            std::string native_code) {
  core_.own.doubt(write);
  throw CommitInDoubt(what, write.receipt, std::move(native_code));
}

}  // namespace querymark
